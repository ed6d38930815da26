/** What a restore does about what is there already, about parts of a copy, several names, and being stopped. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { type FixtureEntry, newRepository, writeCopy } from "@holdfast/repository/fixture-writer";
import { FaultStorage } from "@holdfast/storage";
import { createInclusion } from "../src/selection/inclusion.ts";
import { filesBelow, localRepository, restore, scratchFolder } from "./restore-files-fixture.ts";

const file = (path: string, content: string | Buffer = path): FixtureEntry => ({
  kind: "file",
  path,
  content: Buffer.from(content),
});

suite("restoring over what is there", () => {
  const ENTRIES = [file("a/same"), file("a/other"), file("b/below"), file("big", randomBytes(5_000_000))];

  test("skips, overwrites or keeps both", async (context) => {
    const { repository, folder } = await localRepository(context);
    const id = await writeCopy(repository, ENTRIES);
    const outcomes = {
      skip: { content: "mine", names: ["a/other", "a/same", "b/below", "big"] },
      overwrite: { content: "a/same", names: ["a/other", "a/same", "b/below", "big"] },
      "keep-both": {
        content: "mine",
        names: ["a/other", "a/same", "a/same (restored 1)", "b/below", "big", "big (restored 1)"],
      },
    } as const;
    for (const existing of ["skip", "overwrite", "keep-both"] as const) {
      const target = join(folder, existing);
      fs.mkdirSync(join(target, "a"), { recursive: true });
      fs.writeFileSync(join(target, "a/same"), "mine");
      fs.writeFileSync(join(target, "big"), "mine");
      const { summary, notices } = await restore(repository, id, target, { existing });
      assert.deepEqual(notices, []);
      assert.deepEqual(filesBelow(target), outcomes[existing].names);
      assert.equal(fs.readFileSync(join(target, "a/same"), "utf8"), outcomes[existing].content);
      assert.equal(summary.skipped, existing === "skip" ? 2 : 0);
      assert.equal(summary.files, existing === "skip" ? 2 : 4);
      const dry = await restore(repository, id, target, { existing: "skip", dryRun: true });
      assert.equal(dry.summary.skipped, 4);
    }
  });

  test("puts what is below a folder where the folder went, or leaves it out", async (context) => {
    const { repository, folder } = await localRepository(context);
    const id = await writeCopy(repository, ENTRIES);
    for (const existing of ["skip", "keep-both"] as const) {
      const target = join(folder, existing);
      fs.mkdirSync(target);
      fs.writeFileSync(join(target, "a"), "a file");
      const { notices } = await restore(repository, id, target, { existing });
      const expected = existing === "skip" ? [] : ["a (restored 1)/other", "a (restored 1)/same"];
      assert.deepEqual(filesBelow(target), ["a", ...expected, "b/below", "big"].toSorted());
      assert.deepEqual(
        notices.map(({ path }) => path.toString()),
        existing === "skip" ? ["a"] : [],
      );
    }
  });

  test("completes a restore that was stopped", async (context) => {
    const { repository, folder } = await localRepository(context);
    const entries = Array.from({ length: 3000 }, (_, index) =>
      file(`${String(index % 50)}/${String(index)}`),
    );
    const id = await writeCopy(repository, [...entries, file("zz", randomBytes(30_000_000))]);
    const target = join(folder, "out");
    const abort = new AbortController();
    const stopped = restore(repository, id, target, {
      signal: abort.signal,
      onProgress: ({ files }) => files > 500 && abort.abort(),
    });
    await assert.rejects(stopped, (error) => isAppError(error, "ERR_CANCELLED"));
    const leftovers = filesBelow(target).filter((path) => path.includes(".holdfast-restore-"));
    assert.deepEqual(leftovers, []);
    const { summary } = await restore(repository, id, target);
    assert.equal(summary.files + summary.skipped, 3001);
    for (const path of filesBelow(target)) {
      if (path !== "zz") assert.equal(fs.readFileSync(join(target, path), "utf8"), path);
    }
    assert.equal(fs.statSync(join(target, "0")).mode & 0o777, 0o755);
  });

  test("stops before it begins", async (context) => {
    const { repository, folder } = await localRepository(context);
    const id = await writeCopy(repository, ENTRIES);
    const stopped = restore(repository, id, join(folder, "out"), { signal: AbortSignal.abort() });
    await assert.rejects(stopped, (error) => isAppError(error, "ERR_CANCELLED"));
  });
});

suite("restoring a part", () => {
  const ENTRIES: readonly FixtureEntry[] = [
    { kind: "directory", path: "srv", mode: 0o711 },
    { kind: "directory", path: "srv/data", mode: 0o750 },
    file("srv/data/one.txt"),
    file("srv/data/two.bin"),
    file("srv/data/deep/three.txt"),
    file("srv/else/four.txt"),
  ];

  test("takes the way down along, with its metadata, and nothing else", async (context) => {
    const { repository, folder } = await localRepository(context);
    const id = await writeCopy(repository, ENTRIES);
    const parts: readonly (readonly [string, readonly string[]])[] = [
      ["srv/data", ["srv/data/deep/three.txt", "srv/data/one.txt", "srv/data/two.bin"]],
      ["srv/data/one.txt", ["srv/data/one.txt"]],
      ["*.txt", ["srv/data/deep/three.txt", "srv/data/one.txt", "srv/else/four.txt"]],
      ["srv/none", []],
    ];
    for (const [index, [pattern, files]] of parts.entries()) {
      const target = join(folder, String(index));
      const include = createInclusion([pattern]);
      const { summary } = await restore(repository, id, target, { include });
      assert.deepEqual(filesBelow(target), files);
      assert.equal(summary.files, files.length);
      const dry = await restore(repository, id, target, { include, dryRun: true, existing: "overwrite" });
      assert.equal(dry.summary.files, files.length);
      if (files.length === 0) assert.deepEqual(fs.readdirSync(target), []);
      else assert.equal(fs.statSync(join(target, "srv")).mode & 0o777, 0o711);
    }
  });

  test("reads only the pages it needs", async (context) => {
    const folder = await scratchFolder(context);
    const { repository } = await newRepository();
    const names = Array.from({ length: 3000 }, (_, index) => String(index).padStart(5, "0"));
    const wide = names.flatMap((name) => [file(`a/${name}`, randomBytes(1500)), file(`z/${name}`, "z")]);
    const id = await writeCopy(repository, wide);
    let reads = 0;
    const counting = new FaultStorage(repository.ports.storage, {
      plan: ({ kind }) => {
        if (kind === "get") reads += 1;
        return undefined;
      },
    });
    const counted = { ...repository, ports: { ...repository.ports, storage: counting } };
    await restore(counted, id, join(folder, "all"));
    const all = reads;
    reads = 0;
    await restore(counted, id, join(folder, "part"), { include: createInclusion(["z/00001"]) });
    assert.deepEqual(filesBelow(join(folder, "part")), ["z/00001"]);
    assert(reads <= all - 5, `${String(reads)} of ${String(all)} reads`);
  });
});

suite("several names of one file", () => {
  const link = { device: 3n, inode: 9n };
  const ENTRIES: readonly FixtureEntry[] = [
    { kind: "file", path: "a/first", content: randomBytes(4000), link },
    { kind: "file", path: "b/second", content: Buffer.alloc(0), link },
    { kind: "file", path: "c/third", content: Buffer.alloc(0), link },
    { kind: "fifo", path: "p/one", link: { device: 3n, inode: 10n } },
    { kind: "fifo", path: "p/two", link: { device: 3n, inode: 10n } },
  ];

  test("become one file again, also of a part", async (context) => {
    const { repository, folder } = await localRepository(context);
    const [first] = ENTRIES;
    assert(first?.kind === "file");
    const id = await writeCopy(
      repository,
      ENTRIES.map((entry) => (entry.kind === "file" ? { ...entry, content: first.content } : entry)),
    );
    const target = join(folder, "all");
    await restore(repository, id, target);
    const inode = (path: string): number => fs.lstatSync(join(target, path)).ino;
    assert.equal(inode("a/first"), inode("b/second"));
    assert.equal(inode("a/first"), inode("c/third"));
    assert.equal(inode("p/one"), inode("p/two"));
    const part = join(folder, "part");
    await restore(repository, id, part, { include: createInclusion(["b", "c"]) });
    assert.deepEqual(filesBelow(part), ["b/second", "c/third"]);
    assert.equal(fs.statSync(join(part, "b/second")).nlink, 2);
    assert.deepEqual(fs.readFileSync(join(part, "c/third")), first.content);
  });

  test("are restored anew when the first one was there already", async (context) => {
    const { repository, folder } = await localRepository(context);
    const content = randomBytes(4000);
    const id = await writeCopy(repository, [
      { kind: "file", path: "a/first", content, link },
      { kind: "file", path: "b/second", content, link },
      { kind: "file", path: "c/third", content, link },
    ]);
    const target = join(folder, "out");
    fs.mkdirSync(join(target, "a"), { recursive: true });
    fs.writeFileSync(join(target, "a/first"), "mine");
    const { summary } = await restore(repository, id, target);
    assert.equal(fs.readFileSync(join(target, "a/first"), "utf8"), "mine");
    assert.deepEqual(fs.readFileSync(join(target, "b/second")), content);
    assert.equal(fs.statSync(join(target, "b/second")).ino, fs.statSync(join(target, "c/third")).ino);
    assert.deepEqual([summary.files, summary.skipped], [2, 1]);
  });
});
