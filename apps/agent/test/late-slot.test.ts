/** A recovery kit that is younger than the repository: its slot comes with the next backup. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { suite, test } from "node:test";
import { keyPairFromSeed } from "@holdfast/crypto";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { openRepository, prepareSlot } from "@holdfast/repository";
import { openStorage } from "@holdfast/storage";
import { backupTask, newBench, newRepository, resultOf, writeTree } from "./agent-bench.ts";

const SEED = Buffer.alloc(32, 7);
const PORTS = { clock: systemClock, randomness: systemRandomness };

suite("An agent", { timeout: 600_000 }, () => {
  test("stores a slot that was prepared after the repository, once", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    const source = path("source");
    writeTree(source, 10_000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();
    resultOf("backup", await service.end(service.start(backupTask(repository, [source]))));
    const slots = (): string[] => readdirSync(path("storage/slots"), { recursive: true, encoding: "utf8" });
    assert.equal(slots().length, 1);

    const slot = prepareSlot(
      PORTS,
      { repository: Buffer.from(repository.ref.id, "hex"), rootSecret: repository.rootSecret },
      { target: { kind: "recovery", publicKey: keyPairFromSeed(SEED).publicKey }, label: "recovery kit" },
    );
    const late = { name: slot.name, bytes: slot.bytes.toString("base64") };
    const ref = { ...repository.ref, prepared: [...repository.ref.prepared, late] };
    for (let count = 0; count < 2; count += 1) {
      const task = backupTask(repository, [source], { repository: ref });
      resultOf("backup", await service.end(service.start(task)));
      assert.equal(slots().length, 2);
    }
    await using storage = await openStorage(path("storage"));
    const process = { host: "test", bootId: "", processId: 1, startTime: "" };
    const ports = { ...PORTS, storage, process, hasEnded: () => false };
    await openRepository(ports, { kind: "recovery", seed: SEED }, ["read"]);
  });
});
