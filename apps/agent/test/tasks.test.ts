/** Every kind of task, from the service's order to the files on the disk. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite, test } from "node:test";
import { SUITES } from "@holdfast/crypto";
import { newId } from "@holdfast/kernel";
import type { AgentTask } from "@holdfast/protocol";
import { backupTask, newBench, newRepository, resultOf, writeTree } from "./agent-bench.ts";

const TIMEOUT = { timeout: 600_000 };

suite("An agent", TIMEOUT, () => {
  test("backs up with the write capability and restores with the read capability", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    const source = path("source");
    writeTree(source);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();

    const run = service.start(backupTask(repository, [source], { name: "documents" }));
    const { copy, ...counts } = resultOf("backup", await service.end(run));
    assert.equal(service.eventsOf(run)[0]?.event.kind, "started");
    assert.deepEqual(copy, { ...copy, kind: "files", name: "documents", paths: [source], tags: ["daily"] });
    assert.equal(copy.files, 3);
    assert.equal(copy.size, 3_000_011);
    assert.equal(counts.filesNew, 3);
    assert.ok(counts.bytesStored > 0 && counts.warnings === 0);

    service.script.grant = () => repository.payload("read");
    const common = repository.common();
    const target = path("target");
    const restored = service.start({
      ...common,
      kind: "restore",
      copy: copy.id,
      target,
      include: [],
      existing: "skip",
    });
    assert.equal(resultOf("restore", await service.end(restored)).files, 3);
    for (const name of ["notes/one.txt", "notes/two.txt", "large.bin"]) {
      assert.deepEqual(readFileSync(`${target}${source}/${name}`), readFileSync(`${source}/${name}`));
    }
    assert.equal(service.leasesGiven, 2);
  });

  test("carries out what the catalogue and its upkeep need", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    const source = path("source");
    writeTree(source, 500_000);
    const repository = newRepository(path("storage"));
    const common = repository.common();
    service.script.grant = () => repository.payload("write");
    await bench.run();
    const { copy } = resultOf("backup", await service.end(service.start(backupTask(repository, [source]))));

    service.script.grant = () => repository.payload("read");
    const listed = resultOf("copies", await service.end(service.start({ ...common, kind: "copies" })));
    assert.deepEqual(listed, { copies: [copy], complete: true });

    const folder = source.slice(1);
    const page = { ...common, kind: "browse", copy: copy.id, path: folder, limit: 1 } as const;
    const first = resultOf("browse", await service.end(service.start(page)));
    assert.deepEqual(
      first.entries.map(({ name, kind, size }) => [name, kind, size]),
      [["large.bin", "file", 500_000]],
    );
    const second = resultOf("browse", await service.end(service.start({ ...page, after: first.next })));
    assert.deepEqual(
      second.entries.map(({ name }) => name),
      ["notes"],
    );
    assert.equal(second.next, undefined);

    const deep: AgentTask = { ...common, kind: "verify", readData: true, copies: [] };
    const whole = resultOf("verify", await service.end(service.start(deep)));
    assert.ok(whole.objects > 3 && whole.damagedCount === 0);
    service.script.grant = () => repository.payload();
    const keyless = resultOf("verify", await service.end(service.start({ ...deep, readData: false })));
    assert.equal(keyless.objects, whole.objects);

    service.script.grant = () => repository.payload("maintain");
    const targetStorage = { id: newId("sto"), name: "Replica", location: path("replica") };
    const replicated = resultOf(
      "replicate",
      await service.end(service.start({ ...common, kind: "replicate", target: targetStorage, copies: [] })),
    );
    assert.equal(replicated.copies, 1);
    assert.ok((replicated.freeBytes ?? 0) > 0);
    assert.ok(readdirSync(path("replica")).includes("config"));
    const forgotten = resultOf(
      "forget",
      await service.end(service.start({ ...common, kind: "forget", copies: [copy.id] })),
    );
    assert.deepEqual(forgotten, { copies: [copy.id] });
    const cleaned = resultOf("clean", await service.end(service.start({ ...common, kind: "clean" })));
    assert.ok(cleaned.bytesFreed > 0);
    assert.ok((cleaned.freeBytes ?? 0) > 0);

    service.script.grant = () => repository.payload();
    const { storage } = repository.ref;
    const tested = resultOf(
      "storage.test",
      await service.end(service.start({ id: newId("task"), kind: "storage.test", storage })),
    );
    assert.ok((tested.freeBytes ?? 0) > 0);
    assert.deepEqual(
      readdirSync(path("storage"))
        .filter((name) => name === "probe")
        .flatMap((name) => readdirSync(path(`storage/${name}`))),
      [],
    );
  });

  test("keeps its own folder out of backups, with the device's key", async (context) => {
    const bench = await newBench(context);
    const { service, path, folder, stateDir } = bench;
    writeTree(path("source"), 1000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();
    const { copy } = resultOf("backup", await service.end(service.start(backupTask(repository, [folder]))));
    service.script.grant = () => repository.payload("read");
    const page = { ...repository.common(), kind: "browse", copy: copy.id, limit: 100 } as const;
    const entriesOf = async (of: string): Promise<readonly string[]> => {
      const { entries } = resultOf("browse", await service.end(service.start({ ...page, path: of })));
      return entries.map(({ name }) => name);
    };
    assert.deepEqual(await entriesOf(stateDir), []);
    assert.deepEqual(await entriesOf(path("source")), ["large.bin", "notes"]);
  });

  test("restores files to where they were, and leaves alone what is there", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    writeTree(path("source"), 1000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();
    const { copy } = resultOf(
      "backup",
      await service.end(service.start(backupTask(repository, [path("source")]))),
    );
    service.script.grant = () => repository.payload("read");
    rmSync(path("source/notes/one.txt"));
    writeFileSync(path("source/notes/two.txt"), "newer");
    const common = { ...repository.common(), kind: "restore", copy: copy.id } as const;
    const include = [`${path("source")}/notes`];
    const { files } = resultOf(
      "restore",
      await service.end(service.start({ ...common, include, existing: "skip" })),
    );
    assert.equal(files, 1);
    assert.equal(readFileSync(path("source/notes/one.txt"), "utf8"), "first");
    assert.equal(readFileSync(path("source/notes/two.txt"), "utf8"), "newer");
    const nothing = await service.end(service.start({ ...common, include: ["/nowhere"], existing: "skip" }));
    assert.ok(nothing.kind === "failed" && nothing.error.code === "ERR_PATH_NOT_FOUND");
    const relative = await service.end(
      service.start({ ...common, target: "here", include: [], existing: "skip" }),
    );
    assert.ok(relative.kind === "failed" && relative.error.code === "ERR_USAGE");
  });

  test("tells files that it cannot read as warnings", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    writeTree(path("source"), 1000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();
    const run = service.start(backupTask(repository, [path("source"), path("missing")]));
    assert.equal(resultOf("backup", await service.end(run)).warnings, 1);
    const [warning] = service.eventsOf(run).flatMap(({ event }) => (event.kind === "warning" ? [event] : []));
    assert.equal(warning?.path, path("missing"));
    assert.equal(warning?.code, "ERR_SOURCE_VANISHED");
  });

  test("finds damage without a key, and says which object", async (context) => {
    const bench = await newBench(context);
    const { service, path } = bench;
    writeTree(path("source"), 100_000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await bench.run();
    resultOf("backup", await service.end(service.start(backupTask(repository, [path("source")]))));
    const [pack = ""] = readdirSync(path("storage/packs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`);
    const bytes = readFileSync(pack);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(pack, bytes);
    service.script.grant = () => repository.payload();
    const task: AgentTask = { ...repository.common(), kind: "verify", readData: false, copies: [] };
    const { damaged, damagedCount } = resultOf("verify", await service.end(service.start(task)));
    assert.equal(damagedCount, 1);
    assert.ok(pack.endsWith(damaged[0]?.object.split("/").at(-1) ?? "nothing"));
  });

  for (const cipher of SUITES) {
    test(`keeps copies of the suite ${cipher.name}`, async (context) => {
      const bench = await newBench(context);
      const { service, path } = bench;
      mkdirSync(path("source"));
      writeFileSync(path("source/file"), "content");
      const repository = newRepository(path("storage"), cipher);
      service.script.grant = () => repository.payload("write");
      await bench.run();
      const { copy } = resultOf(
        "backup",
        await service.end(service.start(backupTask(repository, [path("source")]))),
      );
      service.script.grant = () => repository.payload("read");
      const restore: AgentTask = {
        ...repository.common(),
        kind: "restore",
        copy: copy.id,
        target: path("target"),
        include: [],
        existing: "skip",
      };
      resultOf("restore", await service.end(service.start(restore)));
      assert.equal(readFileSync(`${path("target")}${path("source/file")}`, "utf8"), "content");
    });
  }
});
