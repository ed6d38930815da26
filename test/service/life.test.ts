/**
 * The whole way with real processes: service, administrator, encryption key, storage, devices, plans, backup, restore to the same
 * and to another device, and without the service.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { linuxDisks } from "../../apps/agent/src/platform/linux-disks.ts";
import { startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const SECRET_TEXT = "what nobody else is to read";

function makeSource(folder: string): void {
  mkdirSync(join(folder, "deep"), { recursive: true });
  for (let number = 0; number < 50; number += 1) {
    writeFileSync(
      join(folder, `file-${String(number)}`),
      `${SECRET_TEXT} ${String(number)}\n`.repeat(number * 10),
    );
  }
  writeFileSync(join(folder, "deep", "empty"), "");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Every file below a folder. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

suite("a company's first day", () => {
  test("from the first start to a restored file", { timeout: 300_000 }, async (context) => {
    const scene = await startScene(context, ["--no-worker"]);
    const { api, bench, ended } = scene;
    const source = bench.path("source");
    makeSource(source);

    const key = await api.ok("POST", "/secrets", {
      kind: "encryption-key",
      name: "company key",
      value: PASSPHRASE,
      confirmation: PASSPHRASE,
    });
    const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
    const first = await scene.addAgent("first");
    const second = await scene.addAgent("second");
    const tested = await api.ok("POST", `/storages/${String(storage["id"])}/test`, { device: first });
    assert.equal((await ended(tested["task"]))["state"], "succeeded");
    const { free } = await api.ok("GET", `/storages/${String(storage["id"])}`);
    assert(isRecord(free) && Number(free["bytes"]) > 0, "the free space that the test found");
    const { disks } = await api.ok("GET", `/devices/${first}`);
    assert.deepEqual(disks, linuxDisks());

    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [first],
      paths: [source],
      storage: storage["id"],
      encryption: { method: "gcm", level: "high", secret: key["id"] },
    });
    const run = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
    assert(Array.isArray(run["tasks"]));
    const backup = await ended(run["tasks"][0]);
    assert.equal(backup["state"], "succeeded", JSON.stringify(backup["error"]));

    const { items } = await api.ok("GET", `/copies?plan=${String(plan["id"])}`);
    assert(Array.isArray(items) && items.length === 1);
    const { id: copy }: { id?: unknown } = items[0];

    const listed = await api.ok("GET", `/copies/${String(copy)}/entries?path=${encodeURIComponent(source)}`);
    assert(JSON.stringify(listed).includes("file-7"));

    for (const [device, name] of [
      [first, "same"],
      [second, "other"],
    ] as const) {
      const target = bench.path(`restored-${name}`);
      const restore = await api.ok("POST", `/copies/${String(copy)}/restore`, { device, target });
      const done = await ended(restore["task"]);
      assert.equal(done["state"], "succeeded", JSON.stringify(done["error"]));
      execFileSync("diff", ["-r", source, join(target, source)]);
    }

    const { storedBytes, copies } = await api.ok("GET", `/storages/${String(storage["id"])}`);
    assert(Number(storedBytes) > 0 && copies === 1);

    // Nothing of it lies in the storage, the database or the agents' folders in clear.
    for (const folder of ["storage", "service", "agent-first", "agent-second"]) {
      for (const path of filesBelow(bench.path(folder))) {
        const bytes = readFileSync(path);
        assert(!bytes.includes(SECRET_TEXT), path);
        assert(!bytes.includes(PASSPHRASE), path);
      }
    }

    // And without the service: the storage and the encryption key are enough.
    const [repository = ""] = readdirSync(bench.path("storage"));
    const target = bench.path("alone");
    await bench.ok(["restore", bench.path("storage", repository), "latest", "--target", target]);
    execFileSync("diff", ["-r", source, join(target, source)]);
    await bench.ok(["verify", bench.path("storage", repository), "--read-data"]);
  });
});
