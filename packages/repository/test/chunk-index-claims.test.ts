import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import {
  type ChunkIndexSnapshot,
  ClaimTable,
  describeSegment,
  openChunkIndex,
  type SegmentDescription,
} from "../src/chunk-index/index.ts";
import { idOf, keys, packOf, range, segmentOf } from "./chunk-index-data.ts";

interface WorkerTask {
  readonly claims: SharedArrayBuffer;
  readonly snapshot: ChunkIndexSnapshot;
  readonly ids: SharedArrayBuffer;
  readonly start: number;
  /** One counter of the threads that have made their first claims. */
  readonly begun: SharedArrayBuffer;
}

interface WorkerResult {
  readonly claimed: Uint32Array;
  readonly found: number;
  readonly packs: readonly string[];
}

const IDS = 60_000;
const KNOWN = 2000;
const THREADS = 4;
/** What each thread claims before it waits for the others: the parts of different threads have no id in common. */
const FIRST_CLAIMS = 1000;

if (isMainThread) {
  suite("a claim table", () => {
    test("says true to the first claim of an id and false to the others", () => {
      const table = ClaimTable.create({ slots: 40_000 });
      const ids = range(0, 20_000).map((number) => idOf(number));
      assert.ok(ids.every((id) => table.claim(id)));
      assert.ok(ids.every((id) => !table.claim(id)));
      assert.equal(table.claim(Buffer.concat([Buffer.alloc(3), idOf(5)]), 3), false);
      const load = table.load();
      assert.ok(load > 0.3 && load < 1, String(load));
    });

    test("tells ids apart that differ in one bit of the first 128", () => {
      const table = ClaimTable.create({ slots: 40_000 });
      const id = idOf(1);
      assert.ok(table.claim(id));
      for (const bit of range(0, 128)) {
        const other = Buffer.from(id);
        other[bit >>> 3] = (other[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        assert.ok(table.claim(other), `bit ${String(bit)}`);
        assert.ok(!table.claim(other));
      }
      assert.ok(!table.claim(id));
    });

    test("keeps the claims of the generation before", () => {
      const table = ClaimTable.create({ slots: 4000 });
      assert.ok(table.claim(idOf(1)));
      table.rotate();
      assert.equal(table.load(), 0);
      assert.ok(!table.claim(idOf(1)));
      assert.ok(table.claim(idOf(2)));
      table.rotate();
      assert.ok(table.claim(idOf(1)), "forgotten");
      assert.ok(!table.claim(idOf(2)));
      assert.ok(!table.claim(idOf(1)));
    });

    test("forgets claims when it is full, says so, and never denies a new one", () => {
      const table = ClaimTable.create({ slots: 2048 });
      const ids = range(0, 20_000).map((number) => idOf(number));
      assert.ok(ids.every((id) => table.claim(id)));
      assert.equal(table.load(), 1);
      const known = ids.filter((id) => !table.claim(id)).length;
      assert.equal(known, (2048 * 7) / 8);
      table.rotate();
      assert.ok(table.load() < 1);
      const fresh = range(20_000, 20_100).map((number) => idOf(number));
      assert.ok(fresh.every((id) => table.claim(id)));
      assert.ok(fresh.every((id) => !table.claim(id)));
    });

    test("gives true for an id that looks like a free slot", () => {
      const table = ClaimTable.create();
      assert.equal(table.shared.byteLength, 16 * 1024 * 1024 + 64 + 4096);
      assert.ok(table.claim(Buffer.alloc(32)));
      assert.ok(table.claim(Buffer.alloc(32)));
    });

    test("lets go of a lock whose holder died, in favour of storing a chunk twice", () => {
      const table = ClaimTable.create({ slots: 4000 });
      assert.ok(table.claim(idOf(1)));
      // The lock of the stripe of this id, held by nobody who lives.
      const words = new Int32Array(table.shared);
      Atomics.store(words, 16 + (idOf(1)[0] ?? 0) * 4, 1);
      assert.ok(table.claim(idOf(1)));
    });
  });

  suite("threads", () => {
    test("share one index and claim every id exactly once", async () => {
      const table = ClaimTable.create({ slots: IDS * 2 });
      const segment = segmentOf(
        range(0, 10).map((pack) => ({ pack, chunks: range(pack * 100, pack * 100 + 100) })),
      );
      const late = segmentOf([{ pack: 10, chunks: range(1000, KNOWN) }]);
      const snapshot: ChunkIndexSnapshot = {
        ...keys,
        segments: [describeSegment(keys, segment.name, segment.bytes)],
        condemned: packOf(3),
        tolerateDamage: false,
      };
      const ids = new SharedArrayBuffer(IDS * 32);
      range(0, IDS).forEach((number) => new Uint8Array(ids).set(idOf(number), number * 32));
      const lateSegment = describeSegment(keys, late.name, late.bytes);
      const begun = new SharedArrayBuffer(4);
      const results = await Promise.all(
        range(0, THREADS).map((thread) =>
          runWorker(
            { claims: table.shared, snapshot, ids, start: Math.floor((thread * IDS) / 7), begun },
            lateSegment,
          ),
        ),
      );
      const counts = new Uint8Array(IDS);
      for (const { claimed } of results)
        for (const number of claimed) counts[number] = (counts[number] ?? 0) + 1;
      assert.ok(counts.every((count) => count === 1));
      assert.ok(
        results.every(({ claimed }) => claimed.length >= FIRST_CLAIMS),
        "every thread claimed",
      );
      for (const { found, packs } of results) {
        assert.equal(found, KNOWN - 100, "all but the condemned pack");
        const expected = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10].map((pack) => packOf(pack).toString("hex"));
        assert.deepEqual(new Set(packs), new Set(expected));
      }
    });
  });
} else {
  const { claims, snapshot, ids, start, begun }: WorkerTask = workerData;
  parentPort?.once("message", (late: SegmentDescription) => {
    const table = ClaimTable.attach(claims);
    const all = new Uint8Array(ids);
    const own = range(start, start + IDS).map((number) => number % IDS);
    const claim = (numbers: readonly number[]): number[] =>
      numbers.filter((number) => table.claim(all, number * 32));
    const claimed = claim(own.slice(0, FIRST_CLAIMS));
    waitForAll(begun);
    claimed.push(...claim(own.slice(FIRST_CLAIMS)));
    const index = openChunkIndex(snapshot);
    index.add(late);
    const known = range(0, IDS).filter((number) => index.has(all, number * 32));
    const packs = new Set(known.map((number) => index.lookup(all, number * 32)?.pack.toString("hex")));
    parentPort?.postMessage(
      { claimed: Uint32Array.from(claimed), found: known.length, packs: [...packs] },
      [],
    );
  });
}

async function runWorker(task: WorkerTask, late: SegmentDescription): Promise<WorkerResult> {
  const worker = new Worker(new URL(import.meta.url), { workerData: task });
  worker.postMessage(late, []);
  const { promise, resolve, reject } = Promise.withResolvers<WorkerResult>();
  worker.once("message", resolve);
  worker.once("error", reject);
  const result = await promise;
  await worker.terminate();
  return result;
}

/** Returns when every thread has called it, so that all of them claim at the same time. */
function waitForAll(begun: SharedArrayBuffer): void {
  const counter = new Int32Array(begun);
  let count = Atomics.add(counter, 0, 1) + 1;
  Atomics.notify(counter, 0);
  while (count < THREADS) {
    Atomics.wait(counter, 0, count);
    count = Atomics.load(counter, 0);
  }
}
