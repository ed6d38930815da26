/** A disk that is not mounted: the place where copies were is empty, and stays so. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { suite, test } from "node:test";
import { newId } from "@holdfast/kernel";
import type { TaskOf } from "@holdfast/protocol";
import { backupTask, newBench, newRepository, resultOf, writeTree } from "./agent-bench.ts";

suite("An agent", { timeout: 600_000 }, () => {
  test("makes no new repository where there were copies", async (context) => {
    const { service, path, run } = await newBench(context);
    const source = path("source");
    writeTree(source, 10_000);
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    await run();
    const backUp = (hasCopies: boolean) =>
      service.end(service.start(backupTask(repository, [source], { hasCopies })));
    resultOf("backup", await backUp(false));
    resultOf("backup", await backUp(true));

    renameSync(path("storage"), path("unmounted"));
    const gone = await backUp(true);
    assert(gone.kind === "failed");
    assert.equal(gone.error.code, "ERR_STORAGE_UNREACHABLE");
    assert(!existsSync(path("storage")));

    // As an empty mount point.
    mkdirSync(path("storage"));
    const empty = await backUp(true);
    assert(empty.kind === "failed");
    assert.equal(empty.error.code, "ERR_REPOSITORY_MISSING");
    assert.match(String(empty.error.remedy), /mounted/u);
    assert.deepEqual(readdirSync(path("storage")), []);
  });

  test("replicates nothing to an empty place where there were copies", async (context) => {
    const { service, path, run } = await newBench(context);
    writeTree(path("source"), 10_000);
    const repository = newRepository(path("storage"));
    const target = { id: newId("sto"), name: "Target", location: path("target") };
    service.script.grant = () => {
      const { storages, repository: keys } = repository.payload("write");
      return { storages: { ...storages, [target.id]: {} }, repository: keys };
    };
    await run();
    resultOf("backup", await service.end(service.start(backupTask(repository, [path("source")]))));
    const task: TaskOf<"replicate"> = { ...repository.common(), kind: "replicate", target, copies: [] };
    const gone = await service.end(service.start({ ...task, targetHasCopies: true }));
    assert(gone.kind === "failed");
    assert.equal(gone.error.code, "ERR_STORAGE_UNREACHABLE");
    assert(!existsSync(path("target")));
    mkdirSync(path("target"));
    const empty = await service.end(service.start({ ...task, targetHasCopies: true }));
    assert(empty.kind === "failed");
    assert.equal(empty.error.code, "ERR_REPOSITORY_MISSING");
    assert.deepEqual(readdirSync(path("target")), []);
    const first = await service.end(service.start(task));
    assert.equal(resultOf("replicate", first).copies, 1);
  });
});
