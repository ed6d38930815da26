/** Verification finds every kind of damage and names what it costs, and finds nothing where nothing is wrong. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { SUITE_NONE, type Suite } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { PACK_END_BYTES, packFrontLength } from "../src/packs/pack-format.ts";
import { readPackDirectory } from "../src/packs/read-directory.ts";
import { openRepository, type Repository } from "../src/repository.ts";
import {
  verifyObjects,
  verifyRepository,
  type VerifyRequest,
  type VerifyResult,
} from "../src/verify/index.ts";
import {
  CBC_LOW,
  FIXTURE_KEY,
  type FixtureEntry,
  fixturePorts,
  GCM_HIGH,
  newRepository,
  writeCopy,
} from "./fixture-writer.ts";

const FILES: readonly FixtureEntry[] = [
  { kind: "file", path: "srv/inline", content: Buffer.from("in the page") },
  { kind: "file", path: "srv/first", content: randomBytes(150_000) },
  { kind: "file", path: "srv/second", content: randomBytes(150_000) },
  { kind: "file", path: "srv/small a", content: randomBytes(3000) },
  { kind: "file", path: "srv/small b", content: randomBytes(3000) },
  { kind: "file", path: "srv/listed", content: Array.from({ length: 70 }, () => randomBytes(2100)) },
];

interface Sample {
  readonly storage: MemoryStorage;
  readonly repository: Repository;
  /** Both have all of {@link FILES}, the later one a file more. */
  readonly copies: readonly string[];
  readonly packs: { readonly data: string; readonly metadata: string; readonly later: readonly string[] };
}

const samples = new Map<Suite, Promise<Sample>>();

/** Written once for a suite; each test has a clone. */
async function sample(cipherSuite: Suite): Promise<Sample> {
  const known = samples.get(cipherSuite) ?? makeSample(cipherSuite);
  samples.set(cipherSuite, known);
  const { storage, copies, packs } = await known;
  const clone = storage.clone();
  const key = cipherSuite === SUITE_NONE ? undefined : FIXTURE_KEY;
  const repository = await openRepository(fixturePorts(clone), key, ["write", "maintain", "read"]);
  return { storage: clone, repository, copies, packs };
}

async function makeSample(cipherSuite: Suite): Promise<Sample> {
  const storage = new MemoryStorage();
  const { repository } = await newRepository(cipherSuite, storage);
  const first = await writeCopy(repository, FILES, { chunkBytes: 50_000 });
  const names = await packNames(storage);
  const second = await writeCopy(
    repository,
    [...FILES, { kind: "file", path: "srv/third", content: randomBytes(200_000) }],
    { chunkBytes: 50_000 },
  );
  const kinds = await Promise.all(names.map(async (name) => (await storage.get(name)).readUInt8(24)));
  const data = names[kinds.indexOf(1)];
  const metadata = names[kinds.indexOf(2)];
  assert(names.length === 2 && data !== undefined && metadata !== undefined);
  const later = (await packNames(storage)).filter((name) => !names.includes(name));
  return { storage, repository, copies: [first, second], packs: { data, metadata, later } };
}

async function packNames(storage: MemoryStorage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("packs/"))).map(({ name }) => name);
}

async function namesBelow(storage: MemoryStorage, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(storage.list(prefix))).map(({ name }) => name);
}

async function replace(storage: MemoryStorage, name: string, bytes: Uint8Array): Promise<void> {
  await storage.delete(name);
  await storage.put(name, bytes);
}

async function flip(storage: MemoryStorage, name: string, at: number): Promise<void> {
  const bytes = await storage.get(name);
  const place = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0x10, place);
  await replace(storage, name, bytes);
}

const verify = (repository: Repository, request: Partial<VerifyRequest> = {}): Promise<VerifyResult> =>
  verifyRepository(repository, { readData: true, workers: 1, ...request });

/** Where records of a pack are, and what chunks lie in them. */
async function recordsOf(
  { storage, repository }: Sample,
  name: string,
): Promise<{ readonly offset: number; readonly length: number; readonly type: number }[]> {
  const info = await storage.stat(name);
  const { directory } = await readPackDirectory(storage, repository.keys, name, info?.size ?? 0);
  const records = new Map<number, { offset: number; length: number; type: number }>();
  for (let at = 0; at < directory.length; at += 48) {
    const offset = directory.readUInt32LE(at + 32);
    records.set(offset, {
      offset,
      length: directory.readUInt32LE(at + 36),
      type: directory.readUInt8(at + 47),
    });
  }
  return [...records.values()];
}

const ALL_LATER = ["/srv/first", "/srv/listed", "/srv/second", "/srv/small a", "/srv/small b"];

for (const cipherSuite of [GCM_HIGH, CBC_LOW, SUITE_NONE]) {
  suite(`verify, ${cipherSuite.name}`, { concurrency: 1 }, () => {
    for (const readData of [false, true]) {
      test(`finds nothing in a good repository${readData ? ", data read" : ""}`, async () => {
        const { repository, storage } = await sample(cipherSuite);
        const seen: number[] = [];
        const result = await verify(repository, {
          readData,
          onProgress: ({ bytes, bytesTotal }) => seen.push(bytes / bytesTotal),
        });
        assert.deepEqual(result.damaged, []);
        const all = await Array.fromAsync(storage.list(""));
        assert.equal(result.objects, all.length);
        assert.equal(
          result.bytes,
          all.reduce((sum, { size }) => sum + size, 0),
        );
        assert.equal(seen.at(-1), 1);
      });
    }

    test("finds nothing without the read capability, and nothing without keys", async () => {
      const { storage } = await sample(cipherSuite);
      const key = cipherSuite === SUITE_NONE ? undefined : FIXTURE_KEY;
      const maintaining = await openRepository(fixturePorts(storage), key, ["maintain"]);
      assert.deepEqual((await verify(maintaining, { readData: false })).damaged, []);
      await assert.rejects(verify(maintaining), (error) => isAppError(error, "ERR_CAPABILITY"));
      const result = await verifyObjects(storage, { workers: 1 });
      assert.deepEqual(result.damaged, []);
      assert.equal(result.objects, (await Array.fromAsync(storage.list(""))).length);
    });

    test("names the files of the one record in which a bit has changed", async () => {
      const whole = await sample(cipherSuite);
      const { storage, repository, packs, copies } = whole;
      const [record] = await recordsOf(whole, packs.data);
      assert(record !== undefined);
      for (const at of [record.offset + 50, record.offset + 128, record.offset + record.length - 1]) {
        const bytes = await storage.get(packs.data);
        await flip(storage, packs.data, at);
        for (const readData of [true, false]) {
          const { damaged } = await verify(repository, { readData });
          assert.deepEqual(
            damaged.map(({ object }) => object),
            [packs.data],
          );
          assert.deepEqual(damaged[0]?.copies.toSorted(), copies.toSorted());
          assert.deepEqual(damaged[0]?.paths, ["/srv/first"]);
        }
        await replace(storage, packs.data, bytes);
      }
    });

    test("names all files of a damaged bundle, and nothing else", async () => {
      const whole = await sample(cipherSuite);
      const { storage, repository, packs } = whole;
      const bundle = (await recordsOf(whole, packs.data)).find(({ type }) => type === 2);
      assert(bundle !== undefined);
      await flip(storage, packs.data, bundle.offset + bundle.length - 40);
      const { damaged } = await verify(repository);
      assert.deepEqual(damaged[0]?.paths.toSorted(), ["/srv/listed", "/srv/small a", "/srv/small b"]);
    });

    test("tells damage outside of records from damage to files", async () => {
      const whole = await sample(cipherSuite);
      const { storage, repository, packs } = whole;
      const last = (await recordsOf(whole, packs.data)).at(-1);
      assert(last !== undefined);
      const { length } = await storage.get(packs.data);
      const padding = last.offset + last.length;
      assert(padding < length - 1000, "the sample has padding");
      // Padding, the directory, the end: every record still opens.
      for (const at of [padding, length - PACK_END_BYTES - 20, length - 1]) {
        const bytes = await storage.get(packs.data);
        await flip(storage, packs.data, at);
        const { damaged } = await verify(repository);
        assert.deepEqual(
          damaged.map(({ object, copies, paths }) => [object, copies, paths]),
          [[packs.data, [], []]],
        );
        await replace(storage, packs.data, bytes);
      }
    });

    test("names everything below a damaged front", async () => {
      const { storage, repository, packs, copies } = await sample(cipherSuite);
      // Magic, repository id and salt.
      for (const at of [0, 10, 40]) {
        const bytes = await storage.get(packs.data);
        await flip(storage, packs.data, at);
        const { damaged } = await verify(repository);
        assert.deepEqual(
          damaged.map(({ object }) => object),
          [packs.data],
          `byte ${String(at)}`,
        );
        assert.deepEqual(damaged[0]?.copies.toSorted(), copies.toSorted());
        assert.deepEqual(damaged[0]?.paths.toSorted(), ALL_LATER);
        await replace(storage, packs.data, bytes);
      }
    });

    test("names everything below a damaged envelope, though the manifest has another copy of it", async () => {
      const { storage, repository, packs } = await sample(cipherSuite);
      await flip(storage, packs.data, packFrontLength(1) - 5);
      const { damaged } = await verify(repository);
      assert.deepEqual(
        damaged.map(({ object, paths }) => [object, paths.toSorted()]),
        [[packs.data, ALL_LATER]],
      );
    });

    test("finds damage in metadata, refs boxes among it", async () => {
      const whole = await sample(cipherSuite);
      const { storage, repository, packs, copies } = whole;
      for (const record of await recordsOf(whole, packs.metadata)) {
        const bytes = await storage.get(packs.metadata);
        await flip(storage, packs.metadata, record.offset + 128 + 70);
        const { damaged } = await verify(repository);
        assert.deepEqual(
          damaged.map(({ object }) => object),
          [packs.metadata],
        );
        // The refs box is what a bit was flipped in: the reader of a file does not need it.
        assert.deepEqual(damaged[0]?.paths, []);
        await replace(storage, packs.metadata, bytes);
        await flip(storage, packs.metadata, record.offset + record.length - 1);
        const again = await verify(repository);
        assert.deepEqual(
          again.damaged.map(({ object }) => object),
          [packs.metadata],
        );
        const expected = record.type === 3 ? [["/srv/listed"], copies] : [["/"], copies.slice(0, 1)];
        assert.deepEqual([again.damaged[0]?.paths, again.damaged[0]?.copies], expected);
        await replace(storage, packs.metadata, bytes);
      }
    });

    test("finds a pack that is cut off, missing, or exchanged for another one", async () => {
      const { storage, repository, packs, copies } = await sample(cipherSuite);
      const bytes = await storage.get(packs.data);
      const [later] = packs.later;
      assert(later !== undefined);
      const changes = [
        (): Promise<void> => replace(storage, packs.data, bytes.subarray(0, bytes.length - 4096)),
        (): Promise<void> => replace(storage, packs.data, Buffer.alloc(0)),
        (): Promise<void> => storage.delete(packs.data),
        async (): Promise<void> => replace(storage, packs.data, await storage.get(later)),
      ];
      for (const [index, change] of changes.entries()) {
        await change();
        for (const readData of [true, false]) {
          const { damaged } = await verify(repository, { readData });
          assert.deepEqual(
            damaged.map(({ object }) => object),
            [packs.data],
            `change ${String(index)}`,
          );
          // Cut off behind its records, a pack still gives them.
          assert.deepEqual(damaged[0]?.copies.toSorted(), index === 0 ? [] : copies.toSorted());
          assert.deepEqual(damaged[0]?.paths.toSorted(), index === 0 ? [] : ALL_LATER);
        }
        await replace(storage, packs.data, bytes);
      }
      assert.deepEqual((await verify(repository)).damaged, []);
    });

    test("finds a pack of another repository under its own name", async () => {
      const { storage, repository } = await sample(cipherSuite);
      const other = new MemoryStorage();
      await writeCopy((await newRepository(cipherSuite, other)).repository, FILES);
      const [foreign] = await packNames(other);
      assert(foreign !== undefined);
      await storage.put(foreign, await other.get(foreign));
      const { damaged } = await verify(repository);
      assert.deepEqual(
        damaged.map(({ object, copies }) => [object, copies]),
        [[foreign, []]],
      );
      assert.match(damaged[0]?.message ?? "", /another repository/u);
      assert.deepEqual(
        (await verifyObjects(storage, { workers: 1 })).damaged.map(({ object }) => object),
        [foreign],
      );
    });

    test("goes on without a damaged index segment", async () => {
      const { storage, repository } = await sample(cipherSuite);
      for (const name of await namesBelow(storage, "index/")) {
        const bytes = await storage.get(name);
        for (const at of [3, 30, 150, bytes.length - 10]) {
          await flip(storage, name, at);
          const { damaged } = await verify(repository);
          assert.deepEqual(
            damaged.map(({ object, copies, paths }) => [object, copies, paths]),
            [[name, [], []]],
          );
          await replace(storage, name, bytes);
        }
      }
    });

    test("names packs that copies need and the index does not name; a restore finds them", async () => {
      const { storage, repository, packs } = await sample(cipherSuite);
      const segments = await namesBelow(storage, "index/");
      for (const name of segments) {
        const bytes = await storage.get(name);
        await storage.delete(name);
        const { damaged } = await verify(repository);
        assert(damaged.length > 0);
        for (const { object, copies } of damaged) {
          assert([packs.data, packs.metadata, ...packs.later].includes(object), object);
          assert.deepEqual(copies, []);
        }
        await storage.put(name, bytes);
      }
    });

    test("finds damaged manifests, configs and slots", async () => {
      const { storage, repository, copies } = await sample(cipherSuite);
      const manifests = copies.map((id) => `copies/${id}`);
      const slots = await namesBelow(storage, "slots/");
      assert.equal(slots.length, cipherSuite === SUITE_NONE ? 0 : 1);
      for (const name of [...manifests, "config", ...slots]) {
        const bytes = await storage.get(name);
        for (const at of [20, bytes.length - 3]) {
          await flip(storage, name, at);
          const { damaged } = await verify(repository, { readData: false });
          const expected = name.startsWith("copies/") ? [name.slice("copies/".length)] : [];
          assert.deepEqual(
            damaged.map((one) => [one.object, one.copies]),
            [[name, expected]],
          );
          const keyless = await verifyObjects(storage, { workers: 1 });
          assert(keyless.damaged.some(({ object }) => object === name));
          await replace(storage, name, bytes);
        }
      }
    });

    test("verifies only what named copies need", async () => {
      const { storage, repository, copies, packs } = await sample(cipherSuite);
      const [first = "", second = ""] = copies;
      for (const name of packs.later) await flip(storage, name, -1);
      assert.deepEqual((await verify(repository, { copies: [first] })).damaged, []);
      const { damaged } = await verify(repository, { copies: [second] });
      assert.deepEqual(damaged.map(({ object }) => object).toSorted(), packs.later.toSorted());
      await assert.rejects(verify(repository, { copies: ["00".repeat(32)] }), (error) =>
        isAppError(error, "ERR_COPY_NOT_FOUND"),
      );
    });

    test("loses nothing when another place of a chunk is good", async () => {
      const { storage, repository, packs } = await sample(cipherSuite);
      await writeCopy(repository, FILES, { chunkBytes: 50_000, withoutDeduplication: true });
      await storage.delete(packs.data);
      const { damaged } = await verify(repository);
      assert.deepEqual(
        damaged.map(({ object, copies }) => [object, copies]),
        [[packs.data, []]],
      );
    });
  });
}

suite("verify", () => {
  test("can be cancelled", async () => {
    const { repository } = await sample(GCM_HIGH);
    const abort = new AbortController();
    const running = verify(repository, { signal: abort.signal, onProgress: () => abort.abort() });
    await assert.rejects(running, (error) => isAppError(error, "ERR_CANCELLED"));
  });
});
