/** A disk that is not mounted: the place where copies were is empty, and stays so. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { suite, test } from "node:test";
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
});
