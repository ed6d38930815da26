import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { readdirSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { type ByteRange, MemoryStorage, openLocalStorage, type Storage } from "@holdfast/storage";
import {
  type LoadSnapshotOptions,
  loadSnapshot,
  openChunkIndex,
  describeSegment,
} from "../src/chunk-index/index.ts";
import { idOf, keys, type NamedSegment, packOf, range, segmentOf } from "./chunk-index-data.ts";

/** Large enough to be more than a head, and not to be kept in memory. */
const LARGE = 4000;

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-index-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function store(storage: Storage, ...segments: readonly NamedSegment[]): Promise<void> {
  for (const { name, bytes } of segments) await storage.put(name, bytes);
}

/** Which of the chunks up to a limit the index has. */
async function chunksIn(
  storage: Storage,
  limit: number,
  options: LoadSnapshotOptions = {},
): Promise<number[]> {
  using loaded = await loadSnapshot(storage, keys, options);
  const index = openChunkIndex(loaded.snapshot);
  return range(0, limit).filter((number) => index.has(idOf(number)));
}

/** Counts what is fetched, and can do something before. */
class WatchedStorage extends MemoryStorage {
  readonly fetched: string[] = [];
  before: (name: string) => Promise<void> = () => Promise.resolve();

  override async get(name: string, byteRange?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    this.fetched.push(byteRange === undefined ? name : `${name} in part`);
    await this.before(name);
    return super.get(name, byteRange, signal);
  }
}

suite("loading the index", () => {
  const small = segmentOf([{ pack: 0, chunks: range(0, 50) }]);
  const large = segmentOf([{ pack: 1, chunks: range(50, 50 + LARGE) }]);

  test("finds what is in all segments: local files, mirrored, or in memory", async (context) => {
    const local = await openLocalStorage(await temporaryFolder(context));
    await store(local, small, large);
    assert.deepEqual(await chunksIn(local, 5000), range(0, 50 + LARGE));
    const remote = new MemoryStorage();
    await store(remote, small, large);
    assert.deepEqual(await chunksIn(remote, 5000), range(0, 50 + LARGE));
    const cacheDir = join(await temporaryFolder(context), "deeper", "cache");
    assert.deepEqual(await chunksIn(remote, 5000, { cacheDir }), range(0, 50 + LARGE));
    assert.deepEqual(await chunksIn(new MemoryStorage(), 10), []);
  });

  test("reads small segments into memory and keeps large ones open until disposed", async (context) => {
    const folder = await temporaryFolder(context);
    const local = await openLocalStorage(folder);
    await store(local, small, large);
    const loaded = await loadSnapshot(local, keys);
    assert.deepEqual(
      loaded.snapshot.segments.map(({ name, store: { kind } }) => ({ name, kind })),
      [
        { name: small.name, kind: "memory" },
        { name: large.name, kind: "file" },
      ].toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    );
    assert.equal(openFilesUnder(folder).length, 1);
    loaded[Symbol.dispose]();
    assert.deepEqual(openFilesUnder(folder), []);
  });

  test("goes on reading a segment that was deleted after loading", async (context) => {
    const local = await openLocalStorage(await temporaryFolder(context));
    await store(local, large);
    using loaded = await loadSnapshot(local, keys);
    await local.delete(large.name);
    assert.ok(openChunkIndex(loaded.snapshot).has(idOf(100)));
  });

  test("ignores superseded segments, also those that a superseded one supersedes", async () => {
    const one = segmentOf([{ pack: 0, chunks: [1] }]);
    const two = segmentOf([{ pack: 0, chunks: [2] }], [one.name]);
    const three = segmentOf([{ pack: 0, chunks: [3] }], [two.name, `index/${"00".repeat(32)}`]);
    const storage = new MemoryStorage();
    await store(storage, three, one, two);
    assert.deepEqual(await chunksIn(storage, 10), [3]);
    using loaded = await loadSnapshot(storage, keys);
    assert.deepEqual(new Set(loaded.superseded), new Set([one.name, two.name]));
  });

  test("ignores objects that have no name of a segment", async () => {
    const storage = new MemoryStorage();
    await storage.put("index/readme", Buffer.from("not ours"));
    await store(storage, small);
    assert.deepEqual(await chunksIn(storage, 100), range(0, 50));
  });

  test("fetches only the head of a remote segment that is superseded", async () => {
    const storage = new WatchedStorage();
    const heir = segmentOf([{ pack: 2, chunks: range(0, LARGE) }], [large.name]);
    await store(storage, large, heir);
    assert.deepEqual(await chunksIn(storage, 5000), range(0, LARGE));
    assert.ok(storage.fetched.includes(`${large.name} in part`));
    assert.ok(!storage.fetched.includes(large.name));
    assert.equal(storage.fetched.filter((name) => name === heir.name).length, 1);
  });

  test("lists again when a segment vanished meanwhile, and gives up when it never ends", async () => {
    const storage = new WatchedStorage();
    await store(storage, small, large);
    const heir = segmentOf([{ pack: 2, chunks: range(0, 3) }], [small.name, large.name]);
    storage.before = async (name) => {
      if (name !== large.name) return;
      await store(storage, heir);
      await storage.delete(large.name);
      await storage.delete(small.name);
    };
    assert.deepEqual(await chunksIn(storage, 5000), [0, 1, 2]);
    let made = 0;
    const endless = new WatchedStorage();
    endless.before = async (name) => {
      await endless.delete(name);
      made += 1;
      await store(endless, segmentOf([{ pack: 0, chunks: [made] }]));
    };
    await store(endless, small);
    await assert.rejects(loadSnapshot(endless, keys), (error) => isAppError(error, "ERR_STORAGE_NOT_FOUND"));
    assert.equal(made, 5);
  });

  test("stays in the budget for filters and finds everything still", async () => {
    const storage = new MemoryStorage();
    await store(storage, small, large);
    using loaded = await loadSnapshot(storage, keys, { filterBytesMax: 4000 });
    const sizes = loaded.snapshot.segments.map(({ filter }) => filter.length);
    assert.deepEqual(new Set(sizes), new Set([0, 64]));
    assert.deepEqual(await chunksIn(storage, 5000, { filterBytesMax: 0 }), range(0, 50 + LARGE));
  });

  test("wants a cache folder when the memory for segments does not suffice", async (context) => {
    const storage = new MemoryStorage();
    await store(storage, small, large);
    const options = { sharedBytesMax: 50_000 };
    await assert.rejects(loadSnapshot(storage, keys, options), (error) => isAppError(error, "ERR_USAGE"));
    const cacheDir = await temporaryFolder(context);
    assert.equal((await chunksIn(storage, 5000, { ...options, cacheDir })).length, 50 + LARGE);
  });

  test("can be cancelled", async () => {
    const storage = new MemoryStorage();
    await store(storage, small);
    const signal = AbortSignal.abort();
    await assert.rejects(loadSnapshot(storage, keys, { signal }), (error) =>
      isAppError(error, "ERR_CANCELLED"),
    );
  });
});

suite("the mirror of remote segments", () => {
  const one = segmentOf([{ pack: 0, chunks: range(0, LARGE) }]);
  const two = segmentOf([{ pack: 1, chunks: range(LARGE, LARGE + 10) }]);

  test("is fetched once, stays encrypted, and loses what the storage lost", async (context) => {
    const cacheDir = await temporaryFolder(context);
    const storage = new WatchedStorage();
    await store(storage, one, two);
    await chunksIn(storage, 1, { cacheDir });
    assert.deepEqual(
      (await readdir(cacheDir)).map((file) => `index/${file}`).toSorted(),
      [one.name, two.name].toSorted(),
    );
    assert.deepEqual(await readFile(join(cacheDir, one.name.slice(6))), one.bytes);
    storage.fetched.length = 0;
    await storage.delete(two.name);
    assert.deepEqual(await chunksIn(storage, 5000, { cacheDir }), range(0, LARGE));
    assert.deepEqual(
      storage.fetched.filter((name) => !name.endsWith("in part")),
      [],
    );
    assert.deepEqual(await readdir(cacheDir), [one.name.slice(6)]);
  });

  test("is fetched again where it is damaged", async (context) => {
    const cacheDir = await temporaryFolder(context);
    const storage = new MemoryStorage();
    await store(storage, one, two);
    await chunksIn(storage, 1, { cacheDir });
    const path = join(cacheDir, one.name.slice(6));
    // In the head box, in the fences, at the end of the file, and in a frame that loading does not look at.
    for (const [at, checkHashes] of [
      [70, false],
      [one.bytes.length - 20, false],
      [one.bytes.length, false],
      [1000, true],
    ] as const) {
      const bytes = Buffer.concat([one.bytes, Buffer.alloc(1)]);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await writeFile(path, at === one.bytes.length ? bytes : bytes.subarray(0, one.bytes.length));
      assert.equal((await chunksIn(storage, 5000, { cacheDir, checkHashes })).length, LARGE + 10);
      assert.deepEqual(await readFile(path), one.bytes);
    }
  });

  test("is refused where the storage sent something else", async (context) => {
    const cacheDir = await temporaryFolder(context);
    const storage = new MemoryStorage();
    await storage.put(one.name, two.bytes);
    for (const options of [{ cacheDir }, {}]) {
      await assert.rejects(
        loadSnapshot(storage, keys, options),
        (error) => isAppError(error, "ERR_DAMAGED") && error.subject === one.name,
      );
    }
    assert.deepEqual(await readdir(cacheDir), []);
  });

  test("says so when its folder cannot be written", async (context) => {
    const folder = await temporaryFolder(context);
    const cacheDir = join(folder, "file");
    await writeFile(cacheDir, "in the way");
    await chmod(cacheDir, 0o600);
    const storage = new MemoryStorage();
    await store(storage, two);
    await assert.rejects(loadSnapshot(storage, keys, { cacheDir }), (error) => isAppError(error));
  });
});

suite("damaged segments", () => {
  const good = segmentOf([{ pack: 0, chunks: range(0, 100) }]);
  const bad = segmentOf([{ pack: 1, chunks: range(50, LARGE) }]);

  async function damagedAt(context: TestContext, at: number): Promise<Storage> {
    const bytes = Buffer.from(bad.bytes);
    bytes[at] = (bytes[at] ?? 0) ^ 0x80;
    const storage = await openLocalStorage(await temporaryFolder(context));
    await store(storage, good, { name: bad.name, bytes });
    return storage;
  }

  test("are named, or collected when asked for, and their files closed", async (context) => {
    for (const at of [0, 30, 58, 100, bad.bytes.length - 1]) {
      const storage = await damagedAt(context, at);
      await assert.rejects(
        loadSnapshot(storage, keys),
        (error) => isAppError(error, "ERR_DAMAGED") && error.message.includes(bad.name),
      );
      assert.deepEqual(openFilesUnder(storage.location), []);
      using loaded = await loadSnapshot(storage, keys, { tolerateDamage: true });
      assert.deepEqual(
        loaded.damaged.map(({ name }) => name),
        [bad.name],
      );
      const index = openChunkIndex(loaded.snapshot);
      assert.deepEqual(
        range(0, LARGE).filter((number) => index.has(idOf(number))),
        range(0, 100),
      );
    }
  });

  test("are left out by a tolerant index when a lookup meets the damage", async (context) => {
    const storage = await damagedAt(context, 300);
    {
      using strict = await loadSnapshot(storage, keys);
      const index = openChunkIndex(strict.snapshot);
      assert.throws(
        () => range(0, LARGE).forEach((number) => index.has(idOf(number))),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    }
    using loaded = await loadSnapshot(storage, keys, { tolerateDamage: true });
    const index = openChunkIndex(loaded.snapshot);
    assert.equal(range(0, 100).filter((number) => index.has(idOf(number))).length, 100);
    range(100, LARGE).forEach((number) => index.has(idOf(number)));
    assert.deepEqual([...index.damaged.keys()], [bad.name]);
  });

  test("are found by comparing every byte with the name", async (context) => {
    const storage = await damagedAt(context, 300);
    await assert.rejects(loadSnapshot(storage, keys, { checkHashes: true }), (error) =>
      isAppError(error, "ERR_DAMAGED"),
    );
  });
});

suite("condemned packs", () => {
  const stays = segmentOf([{ pack: 0, chunks: range(0, 20) }]);
  const goes = segmentOf([
    { pack: 1, chunks: range(10, 40) },
    { pack: 2, chunks: range(40, 50) },
  ]);

  test("do not count as places of a chunk", async () => {
    const storage = new MemoryStorage();
    await store(storage, goes, stays);
    for (const condemned of [[packOf(1)], new Set([packOf(1).toString("hex")])]) {
      using loaded = await loadSnapshot(storage, keys, { condemned });
      const index = openChunkIndex(loaded.snapshot);
      assert.deepEqual(
        range(0, 60).filter((number) => index.has(idOf(number))),
        [...range(0, 20), ...range(40, 50)],
      );
      assert.deepEqual(index.lookup(idOf(15))?.pack, packOf(0));
      assert.deepEqual(
        index.places(idOf(15)).map(({ pack }) => pack),
        [packOf(0)],
      );
      assert.equal(index.lookup(idOf(30)), undefined);
    }
    using loaded = await loadSnapshot(storage, keys);
    assert.equal(openChunkIndex(loaded.snapshot).places(idOf(15)).length, 2);
  });

  test("are still named by the index", async () => {
    const storage = new MemoryStorage();
    await store(storage, goes, stays, segmentOf(range(100, 3000).map((pack) => ({ pack, chunks: [pack] }))));
    using loaded = await loadSnapshot(storage, keys, { condemned: [packOf(1)] });
    const names = openChunkIndex(loaded.snapshot).packNames();
    assert.equal(names.size, 2903);
    assert.deepEqual(
      range(0, 3100).filter((number) => names.has(packOf(number))),
      [0, 1, 2, ...range(100, 3000)],
    );
  });
});

suite("an index that runs", () => {
  test("takes in segments that are written meanwhile, each once", () => {
    const index = openChunkIndex({
      ...keys,
      segments: [],
      condemned: Buffer.alloc(0),
      tolerateDamage: false,
    });
    const { name, bytes } = segmentOf([{ pack: 0, chunks: [1, 2] }]);
    assert.equal(index.has(idOf(1)), false);
    index.add(describeSegment(keys, name, bytes));
    index.add(describeSegment(keys, name, bytes));
    assert.deepEqual([index.version, index.segmentCount], [1, 1]);
    assert.ok(index.has(idOf(1)));
  });
});

/** Open files of this process below a folder. */
function openFilesUnder(folder: string): string[] {
  return readdirSync("/proc/self/fd")
    .map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return "";
      }
    })
    .filter((path) => path.startsWith(folder));
}
