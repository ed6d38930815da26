/** Copies of one system on another: what is left out is told once, and names that fall together are told each. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openCopyReader, readingKeys } from "@holdfast/repository";
import { type FixtureEntry, writeCopy } from "@holdfast/repository/fixture-writer";
import { FoldedNames } from "../src/files-restore/folded-names.ts";
import type { RestoreNotice, RestoreRequest } from "../src/files-restore/index.ts";
import { RestoreRun } from "../src/files-restore/restore-run.ts";
import { RestoreTotals } from "../src/files-restore/restore-totals.ts";
import { WorkerPool } from "../src/files-restore/worker-pool.ts";
import type { FileCalls } from "../src/posix/file-calls.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { fileCalls } from "../src/posix/system-calls.ts";
import { openTarget } from "../src/restore-tree/target.ts";
import { copyOf, localRepository, restore } from "./restore-files-fixture.ts";

const attribute = (name: string, value = "x"): { name: Buffer; value: Buffer } => ({
  name: Buffer.from(name),
  value: Buffer.from(value),
});
const file = (path: string, xattrs: FixtureEntry["xattrs"] = []): FixtureEntry => ({
  kind: "file",
  path,
  content: Buffer.from(path),
  xattrs,
});

suite("a copy of another system", () => {
  test("loses what has no place here, and says so once with the counts", {
    skip: typeof nativeBinding() === "string" ? "needs system calls" : false,
  }, async (context) => {
    const { repository, folder } = await localRepository(context);
    const windows = [
      attribute("holdfast.created"),
      attribute("holdfast.windows.attributes"),
      attribute("holdfast.windows.stream.one"),
      attribute("holdfast.windows.stream.two"),
    ];
    const id = await writeCopy(repository, [
      { kind: "directory", path: "C", xattrs: windows },
      file("C/a", windows),
      { kind: "file", path: "C/big", content: Buffer.alloc(9 * 1024 * 1024, 1), xattrs: windows.slice(0, 1) },
      file("C/plain"),
      { kind: "symlink", path: "C/link", target: "a", xattrs: [attribute("holdfast.windows.link", "file")] },
    ]);
    const target = join(folder, "target");
    const { summary, notices } = await restore(repository, id, target);
    assert.deepEqual(
      notices.map(({ path, code, message }) => `${path.toString()} ${code} ${message}`).toSorted(),
      [
        "alternate data streams of Windows of 2 entries",
        "attributes of Windows of 2 entries",
        "creation times of 3 entries",
        "kinds of links of Windows of 1 entry",
      ].map((what) => `. ERR_UNSUPPORTED The ${what} were left out: this system has no place for them.`),
    );
    assert.deepEqual([summary.warnings, summary.files, summary.folders], [4, 4, 1]);
    assert.equal(fs.readFileSync(join(target, "C/a"), "utf8"), "C/a");
    // What is skipped loses nothing; folders are given their metadata every time.
    const again = await restore(repository, id, target);
    assert.equal(again.summary.skipped, 4);
    assert(again.notices.every(({ message }) => message.includes(" 1 entry ")));
  });
});

suite("names that a target does not tell apart", () => {
  const names = new FoldedNames();
  const earlier = (directory: string, name: string): string | undefined =>
    names.earlier(Buffer.from(directory), Buffer.from(name))?.toString();

  test("are those that differ in case or normal form, in the same folder", () => {
    assert.equal(earlier("d", "Read.me"), undefined);
    assert.equal(earlier("d", "READ.ME"), "Read.me");
    assert.equal(earlier("d", "read.me"), "Read.me");
    assert.equal(earlier("d", "caf\u{e9}"), undefined);
    assert.equal(earlier("d", "cafe\u{301}"), "caf\u{e9}");
    assert.equal(earlier("e", "READ.ME"), undefined);
  });

  test("are looked for only where a trial shows that there are such", async (context) => {
    const { folder } = await localRepository(context);
    const folds = (calls: FileCalls): boolean => {
      const target = openTarget(join(folder, "target"), { existing: "skip", calls });
      try {
        return target.foldsNames();
      } finally {
        target.close();
      }
    };
    const native = fileCalls();
    const lower = (name: Uint8Array): Buffer =>
      Buffer.from(Buffer.from(name).toString("latin1").toLowerCase());
    const folding: FileCalls = { ...native, stat: (parent, name) => native.stat(parent, lower(name)) };
    assert.deepEqual([folds(native), folds(folding)], [false, true]);
    assert.deepEqual(fs.readdirSync(join(folder, "target")), []);
  });

  /** A restore into a target that says it does not tell case apart. */
  async function restoreFolding(
    context: TestContext,
    entries: readonly FixtureEntry[],
    existing: RestoreRequest["existing"],
  ): Promise<{ readonly made: readonly string[]; readonly notices: readonly RestoreNotice[] }> {
    const { repository, storage, folder } = await localRepository(context);
    const copy = await copyOf(repository, await writeCopy(repository, entries));
    const notices: RestoreNotice[] = [];
    const place = join(folder, "target");
    const request: RestoreRequest = {
      copy,
      target: place,
      existing,
      onWarning: (notice) => notices.push(notice),
    };
    using reader = await openCopyReader(repository);
    const opened = openTarget(place, { existing });
    const keys = readingKeys(repository.keys);
    const setup = { keys, snapshot: reader.snapshot, target: place, existing, owners: undefined };
    const pool = new WorkerPool(storage, setup, 1, undefined);
    const { readRecord } = reader;
    const target = { ...opened, foldsNames: () => true };
    const secondPool = (): Promise<WorkerPool> => Promise.resolve(pool);
    const totals = new RestoreTotals(request);
    try {
      await new RestoreRun({ copy, request, readRecord, target, pool, secondPool, totals }).run();
    } finally {
      await pool.close();
      opened.close();
    }
    const made = fs.readdirSync(place, { recursive: true, encoding: "utf8" }).toSorted();
    return { made, notices };
  }

  const entries = [file("Same"), file("folder/a"), file("FOLDER/b"), file("same"), file("other")];

  test("are restored once; the other one is told by name, with all below it", async (context) => {
    const { made, notices } = await restoreFolding(context, entries, "overwrite");
    assert.deepEqual(made, ["FOLDER", "FOLDER/b", "Same", "other"]);
    assert.deepEqual(
      notices.map(({ path }) => path.toString()),
      ["folder", "same"],
    );
    assert.match(notices[0]?.message ?? "", /takes its name for \/FOLDER.*keep-both/u);
  });

  test("are both wanted with keep-both, which gives the second one another name", async (context) => {
    const { made, notices } = await restoreFolding(context, entries, "keep-both");
    assert.deepEqual([made.length, notices.length], [7, 0]);
  });
});
