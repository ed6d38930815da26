/** Damage costs the files that it touches, and no others; what nobody honest wrote is refused. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SUITE_NONE } from "@holdfast/crypto";
import { ByteWriter, isAppError, systemClock } from "@holdfast/kernel";
import { encodeEntry, type Entry, RECORD_TYPES } from "@holdfast/repository";
import {
  CBC_LOW,
  type FixtureEntry,
  GCM_HIGH,
  newRepository,
  writeCopy,
  writeRawCopy,
} from "@holdfast/repository/fixture-writer";
import { faultOn, FaultStorage, ListHistory, MemoryStorage, type Storage } from "@holdfast/storage";
import {
  digest,
  digestOf,
  filesBelow,
  flip,
  localRepository,
  packNames,
  replaceObject,
  restore,
  scratchFolder,
} from "./restore-files-fixture.ts";

const CONTENT = {
  "srv/a": randomBytes(300_000),
  "srv/b": randomBytes(300_000),
  "srv/c small": randomBytes(5000),
  "srv/d small": randomBytes(5000),
  "srv/e large": randomBytes(6_000_000),
  "srv/f inline": randomBytes(100),
} as const;
const PATHS = Object.keys(CONTENT);
const ENTRIES: readonly FixtureEntry[] = Object.entries(CONTENT).map(([path, content]) => ({
  kind: "file",
  path,
  content,
}));

async function dataPack(storage: Storage): Promise<string> {
  for (const name of await packNames(storage)) {
    if ((await storage.get(name, { offset: 24, length: 1 }))[0] === 1) return name;
  }
  throw new Error("there is no data pack");
}

function assertWhole(target: string, paths: readonly string[]): void {
  assert.deepEqual(filesBelow(target), paths.toSorted());
  for (const [path, content] of Object.entries(CONTENT)) {
    if (paths.includes(path)) assert.equal(digest(join(target, path)), digestOf(content), path);
  }
}

for (const cipherSuite of [GCM_HIGH, CBC_LOW, SUITE_NONE]) {
  suite(`restoring damaged copies, ${cipherSuite.name}`, () => {
    test("leaves out what a damaged chunk touches, and names it", async (context) => {
      const { repository, storage, folder } = await localRepository(context, cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const pack = await dataPack(storage);
      const whole = await storage.get(pack);
      // The first record is of `a`; the last of the bundle; one in between of the large file.
      const touched = new Set<string>();
      for (const at of [5000, 450_000, 3_000_000, 6_611_000]) {
        await flip(storage, pack, at);
        const target = join(folder, String(at));
        const { summary, notices } = await restore(repository, id, target);
        const damaged = notices.map(({ path }) => path.toString());
        assert(damaged.length > 0 && notices.every(({ code }) => code === "ERR_DAMAGED"));
        assert.equal(summary.damaged, damaged.length);
        assertWhole(
          target,
          PATHS.filter((path) => !damaged.includes(path)),
        );
        for (const path of damaged) touched.add(path);
        await replaceObject(storage, pack, whole);
      }
      assert.deepEqual([...touched].toSorted(), PATHS.slice(0, 5));
    });

    test("does without a pack that is missing", async (context) => {
      const { repository, storage, folder } = await localRepository(context, cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      await storage.delete(await dataPack(storage));
      const target = join(folder, "out");
      const { summary, notices } = await restore(repository, id, target);
      assert.deepEqual(notices.map(({ path }) => path.toString()).toSorted(), PATHS.slice(0, 5));
      assert.equal(summary.damaged, 5);
      assertWhole(target, ["srv/f inline"]);
    });

    test("uses another place of a chunk", async (context) => {
      const { repository, storage, folder } = await localRepository(context, cipherSuite);
      await writeCopy(repository, ENTRIES);
      const first = await dataPack(storage);
      const id = await writeCopy(repository, ENTRIES, { withoutDeduplication: true });
      await flip(storage, first, 5000);
      const one = await restore(repository, id, join(folder, "one"));
      assert.deepEqual(one.notices, []);
      assertWhole(join(folder, "one"), PATHS);
      await storage.delete(first);
      const other = await restore(repository, id, join(folder, "other"));
      assert.deepEqual(other.notices, []);
      assertWhole(join(folder, "other"), PATHS);
    });

    test("goes on behind a damaged page", async (context) => {
      const { repository, storage, folder } = await localRepository(context, cipherSuite);
      const many: FixtureEntry[] = Array.from({ length: 2000 }, (_, index) => ({
        kind: "file",
        path: `d/${String(index).padStart(4, "0")}`,
        content: randomBytes(1800),
      }));
      const id = await writeCopy(repository, many);
      const packs = await packNames(storage);
      assert.equal(packs.length, 1, "all content is inline");
      await flip(storage, packs[0] ?? "", 1_500_000);
      const target = join(folder, "out");
      const { summary, notices } = await restore(repository, id, target);
      assert.equal(notices.length, 1);
      assert.match(notices[0]?.message ?? "", /entries from \/d\/\d{4} on are lost/u);
      const restored = filesBelow(target).length;
      assert(restored > 1000 && restored < 2000);
      assert.equal(summary.damaged, 2000 - restored);
    });

    test("goes on without a damaged index segment", async (context) => {
      const { repository, storage, folder } = await localRepository(context, cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const [segment] = await Array.fromAsync(storage.list("index/"));
      await flip(storage, segment?.name ?? "", 300);
      const { notices } = await restore(repository, id, join(folder, "out"));
      assert.deepEqual(notices, []);
      assertWhole(join(folder, "out"), PATHS);
    });
  });
}

suite("what was moved meanwhile", () => {
  test("is found where it is now", async (context) => {
    const folder = await scratchFolder(context);
    const memory = new MemoryStorage();
    const history = new ListHistory();
    let nowMs = 1000;
    const clock = { ...systemClock, now: () => nowMs };
    const { repository } = await newRepository(GCM_HIGH, new FaultStorage(memory, { history, clock }));
    const id = await writeCopy(repository, ENTRIES);
    const moved = await packNames(memory);
    nowMs = 3000;
    await writeCopy(repository, ENTRIES, { withoutDeduplication: true });
    for (const name of moved) await memory.delete(name);
    // The reader knows the segments of the time before; when it misses a pack it lists them again.
    const reading = new FaultStorage(memory, {
      history,
      clock,
      plan: faultOn(
        ({ kind, name }) => kind === "list" && name === "index/",
        { kind: "stale-list", ms: 1500 },
        0,
      ),
    });
    const stale = { ...repository, ports: { ...repository.ports, storage: reading } };
    const { summary, notices } = await restore(stale, id, folder);
    assert.deepEqual(notices, []);
    assert.equal(summary.damaged, 0);
    assertWhole(folder, PATHS);
  });

  test("is found in packs that no index segment names", async (context) => {
    const { repository, storage, folder } = await localRepository(context);
    const id = await writeCopy(repository, ENTRIES);
    for await (const { name } of storage.list("index/")) await storage.delete(name);
    const { notices } = await restore(repository, id, join(folder, "out"));
    assert.deepEqual(notices, []);
    assertWhole(join(folder, "out"), PATHS);
  });
});

suite("a storage that fails", () => {
  test("ends a restore with its own error, and leaves nothing half", async (context) => {
    const folder = await scratchFolder(context);
    const memory = new MemoryStorage();
    const { repository } = await newRepository(GCM_HIGH, memory);
    const id = await writeCopy(repository, ENTRIES);
    const pack = await dataPack(memory);
    const failing = new FaultStorage(memory, {
      plan: faultOn((operation) => operation.kind === "get" && operation.name === pack, {
        kind: "fail",
        moment: "before",
        code: "ERR_STORAGE_UNREACHABLE",
      }),
    });
    const broken = { ...repository, ports: { ...repository.ports, storage: failing } };
    await assert.rejects(restore(broken, id, folder), (error) =>
      isAppError(error, "ERR_STORAGE_UNREACHABLE"),
    );
    for (const path of filesBelow(folder)) assert.equal(path, "srv/f inline");
  });
});

suite("hostile copies", () => {
  const base = {
    mode: 0o644,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    mtimeSeconds: 0n,
    mtimeNanoseconds: 0,
    xattrs: [],
    link: undefined,
    changedWhileRead: false,
  };
  const inline = (name: string): Entry => ({
    ...base,
    kind: "file",
    name: Buffer.from(name),
    size: 4,
    content: { form: "inline", bytes: Buffer.from("evil") },
  });
  /** A page of one section, encoded by hand. */
  const page = (...sections: readonly (readonly [string, readonly Entry[]])[]): Buffer => {
    const writer = new ByteWriter().varint(sections.length);
    for (const [directory, entries] of sections) {
      writer.blob(Buffer.from(directory)).varint(entries.length);
      for (const entry of entries) {
        const bytes = new ByteWriter();
        encodeEntry(bytes, { ...entry, name: Buffer.from("n".repeat(entry.name.length)) });
        const encoded = bytes.finish();
        entry.name.copy(encoded, 2);
        writer.raw(encoded);
      }
    }
    return writer.finish();
  };

  test("cannot name a place outside of the target", async (context) => {
    const { repository, folder } = await localRepository(context);
    const pages = [
      page(["", [inline("..")]]),
      page(["", [inline("../x")]]),
      page(["..", [inline("x")]]),
      page(["a/../..", [inline("x")]]),
      page(["/etc", [inline("x")]]),
      page(["", [inline("a\0b")]]),
      page(["", [inline("b"), inline("a")]]),
    ];
    for (const [index, plaintext] of pages.entries()) {
      const target = join(folder, "deep", String(index));
      const id = await writeRawCopy(repository, [{ type: RECORD_TYPES.page, plaintext }]);
      const { summary, notices } = await restore(repository, id, target);
      assert.equal(summary.files, 0);
      assert.equal(notices.length, 1);
      assert.equal(notices[0]?.code, "ERR_DAMAGED");
    }
    assert.deepEqual(filesBelow(join(folder, "deep")), []);
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ["deep", "repository"]);
  });

  test("cannot write through a symbolic link that they bring along", async (context) => {
    const { repository, folder } = await localRepository(context);
    const outside = join(folder, "outside");
    fs.mkdirSync(outside);
    const link: Entry = { ...base, kind: "symlink", name: Buffer.from("a"), target: Buffer.from(outside) };
    const plaintext = page(["", [link]], ["a", [inline("x")]], ["a/b", [inline("y")]]);
    const id = await writeRawCopy(repository, [{ type: RECORD_TYPES.page, plaintext }]);
    for (const existing of ["skip", "overwrite", "keep-both"] as const) {
      const target = join(folder, existing);
      await restore(repository, id, target, { existing });
      assert.deepEqual(fs.readdirSync(outside), [], existing);
    }
  });

  test("cannot send a reader round in circles or past the end", async (context) => {
    const { repository, folder } = await localRepository(context);
    // A list of content that says it has more bytes than the file.
    const big: Entry = {
      ...base,
      kind: "file",
      name: Buffer.from("f"),
      size: 1_000_000_000_000,
      content: { form: "list", depth: 3, id: randomBytes(32) },
    };
    const id = await writeRawCopy(repository, [{ type: RECORD_TYPES.page, plaintext: page(["", [big]]) }]);
    const { summary, notices } = await restore(repository, id, join(folder, "out"));
    assert.equal(summary.files, 0);
    assert.equal(notices[0]?.path.toString(), "f");
    assert.deepEqual(filesBelow(join(folder, "out")), []);
  });
});
