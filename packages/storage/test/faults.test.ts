/** Every fault does what it says to the caller and to the storage behind, and nothing else. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import {
  type Fault,
  type FaultPlan,
  FaultStorage,
  ListHistory,
  MemoryStorage,
  type Operation,
  SimulatedCrash,
  type Storage,
  enumerateCrashes,
  faultAt,
  faultOn,
  firstFault,
  scriptedFaults,
  seededFaults,
} from "../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

const HELLO = Buffer.from("hello");

function faulty(plan: FaultPlan, clock = new ManualClock()) {
  const inner = new MemoryStorage({ clock });
  return { inner, clock, storage: new FaultStorage(inner, { plan, clock }) };
}

async function names(storage: Storage, prefix = ""): Promise<readonly string[]> {
  return (await Array.fromAsync(storage.list(prefix))).map(({ name }) => name).toSorted();
}

function isPlanned(error: unknown): boolean {
  return isAppError(error, "ERR_STORAGE_FAILED");
}

async function writeDataFirst(storage: Storage): Promise<void> {
  await storage.put("data", HELLO);
  await storage.stat("data");
  await storage.put("manifest", Buffer.from("data"));
}

async function checkManifest(storage: Storage): Promise<void> {
  if ((await storage.stat("manifest")) !== null) assert.deepEqual(await storage.get("data"), HELLO);
}

suite("fault storage: single faults", () => {
  test("a failure before the effect leaves none, one after it does", async () => {
    const { inner, storage } = faulty(
      scriptedFaults(
        new Map<number, Fault>([
          [0, { kind: "fail", moment: "before" }],
          [1, { kind: "fail", moment: "after" }],
          [2, { kind: "fail", moment: "before" }],
          [3, { kind: "fail", moment: "after", code: "ERR_STORAGE_UNREACHABLE" }],
        ]),
      ),
    );
    await assert.rejects(storage.put("a", HELLO), isPlanned);
    assert.equal(await inner.stat("a"), null);
    await assert.rejects(storage.put("a", HELLO), isPlanned);
    assert.deepEqual(await inner.get("a"), HELLO);
    await assert.rejects(storage.delete("a"), isPlanned);
    assert.deepEqual(await inner.get("a"), HELLO);
    await assert.rejects(storage.delete("a"), (error) => isAppError(error, "ERR_STORAGE_UNREACHABLE"));
    assert.equal(await inner.stat("a"), null);
  });

  test("a list that fails at its end has given its objects", async () => {
    const { inner, storage } = faulty(faultAt(0, { kind: "fail", moment: "after" }));
    await inner.put("a", HELLO);
    const seen: string[] = [];
    await assert.rejects(async () => {
      for await (const { name } of storage.list("")) seen.push(name);
    }, isPlanned);
    assert.deepEqual(seen, ["a"]);
  });

  test("a short read gives fewer bytes, a flipped bit exactly one wrong bit, and the object stays right", async () => {
    const { inner, storage } = faulty(
      scriptedFaults(
        new Map<number, Fault>([
          [0, { kind: "short-read" }],
          [1, { kind: "short-read", length: 1 }],
          [2, { kind: "flip-bit", bit: 9 }],
          [3, { kind: "flip-bit" }],
        ]),
      ),
    );
    await inner.put("a", HELLO);
    assert.equal((await storage.get("a")).toString(), "he");
    assert.equal((await storage.get("a", { offset: 1, length: 3 })).toString(), "e");
    assert.deepEqual(await storage.get("a"), Buffer.from("hgllo"));
    assert.equal(differingBits(await storage.get("a"), HELLO), 1);
    assert.deepEqual(await storage.get("a"), HELLO);
  });

  test("lies about success: nothing or half is stored, nothing is deleted", async () => {
    const { inner, storage } = faulty(
      scriptedFaults(
        new Map<number, Fault>([
          [0, { kind: "lie", stored: "nothing" }],
          [1, { kind: "lie", stored: "half" }],
          [2, { kind: "lie", stored: "nothing" }],
        ]),
      ),
    );
    assert.equal(await storage.put("a", HELLO), "created");
    assert.equal(await inner.stat("a"), null);
    assert.equal(await storage.put("a", HELLO), "created");
    assert.equal((await inner.get("a")).toString(), "he");
    await storage.delete("a");
    assert.deepEqual(await names(inner), ["a"]);
  });

  test("a fault that cannot happen to a call is a mistake of the plan", async () => {
    const { storage } = faulty(faultAt(0, { kind: "flip-bit" }));
    await assert.rejects(storage.put("a", HELLO), { name: "AssertionError" });
  });
});

suite("fault storage: stalls", () => {
  test("a timed stall ends with the clock, and the call goes on", async () => {
    const { clock, storage } = faulty(faultAt(0, { kind: "stall", ms: 1000 }));
    const put = storage.put("a", HELLO);
    clock.advance(999);
    assert.equal(await Promise.race([put, settled()]), "pending");
    clock.advance(1);
    assert.equal(await put, "created");
  });

  test("an endless stall ends with an abort, and the call has no effect", async () => {
    const { inner, clock, storage } = faulty(faultAt(0, { kind: "stall" }));
    const abort = new AbortController();
    const put = storage.put("a", HELLO, { signal: abort.signal });
    clock.advance(1e9);
    assert.equal(await Promise.race([put, settled()]), "pending");
    abort.abort();
    await assert.rejects(put, (error) => isAppError(error, "ERR_CANCELLED"));
    assert.equal(await inner.stat("a"), null);
  });

  test("the end of the storage and a crash end stalls too", async () => {
    const { storage } = faulty(faultAt(0, { kind: "stall" }));
    const stalled = storage.delete("a");
    await storage[Symbol.asyncDispose]();
    await assert.rejects(stalled, (error) => isAppError(error, "ERR_CANCELLED"));

    const plan = firstFault(faultAt(0, { kind: "stall" }), faultAt(1, { kind: "crash", moment: "before" }));
    const other = faulty(plan).storage;
    const [first, second] = await Promise.allSettled([other.stat("a"), other.stat("b")]);
    assert(first.status === "rejected" && first.reason instanceof SimulatedCrash);
    assert(second.status === "rejected" && second.reason instanceof SimulatedCrash);
  });
});

suite("fault storage: stale lists", () => {
  test("a list shows the past, of this storage and of others that share the history", async () => {
    const clock = new ManualClock(1_000_000);
    const inner = new MemoryStorage({ clock });
    const history = new ListHistory();
    const writer = new FaultStorage(inner, { clock, history });
    const reader = new FaultStorage(inner, {
      clock,
      history,
      capabilities: { listConsistent: false },
      plan: faultOn(({ kind }) => kind === "list", { kind: "stale-list", ms: 500 }),
    });
    await writer.put("packs/a", HELLO);
    clock.advance(1000);
    await writer.put("packs/b", HELLO);
    await writer.delete("packs/a");
    await writer.put("other/c", HELLO);
    assert.equal(reader.capabilities.listConsistent, false);
    assert.deepEqual(await names(reader, "packs/"), ["packs/a"]);
    assert.deepEqual(await names(writer, "packs/"), ["packs/b"]);
    assert.equal(await reader.stat("packs/a"), null);
    clock.advance(500);
    assert.deepEqual(await names(reader, "packs/"), ["packs/b"]);
  });

  test("for any course of puts and deletes the list is that of the time it shows", async () => {
    const step = fc.record({ put: fc.boolean(), name: fc.constantFrom("a", "b", "c"), ms: fc.nat(20) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.nat(100), async (steps, ms) => {
        const plan = faultOn(({ kind }) => kind === "list", { kind: "stale-list", ms });
        const { inner, clock, storage } = faulty(plan, new ManualClock(1000));
        const snapshots = [{ atMs: 0, names: [] as readonly string[] }];
        for (const { put, name, ms: passed } of steps) {
          clock.advance(passed);
          if (put) await storage.put(name, HELLO);
          else await storage.delete(name);
          snapshots.push({ atMs: clock.now(), names: await names(inner) });
        }
        const expected = snapshots.findLast(({ atMs }) => atMs <= clock.now() - ms);
        assert.deepEqual(await names(storage), expected?.names);
      }),
    );
  });
});

suite("fault storage: plans", () => {
  test("operations are recorded in order with kind, name and size", async () => {
    const storage = new FaultStorage(new MemoryStorage());
    await storage.put("a", HELLO);
    await storage.get("a");
    await names(storage);
    await storage.stat("b");
    await storage.delete("a");
    await storage.free();
    const seen = storage.operations.map(
      ({ index, kind, name, bytes }) => `${String(index)} ${kind} ${name} ${String(bytes)}`,
    );
    assert.deepEqual(seen, [
      "0 put a 5",
      "1 get a 0",
      "2 list  0",
      "3 stat b 0",
      "4 delete a 0",
      "5 free  0",
    ]);
  });

  test("the nth matching call is hit", async () => {
    const { storage } = faulty(faultOn(({ kind }) => kind === "put", { kind: "fail", moment: "before" }, 1));
    await storage.put("a", HELLO);
    await storage.stat("a");
    await assert.rejects(storage.put("b", HELLO), isPlanned);
    await storage.put("c", HELLO);
  });

  test("seeded faults repeat with their seed, come as often as asked, and fit", () => {
    const faults: readonly Fault[] = [
      { kind: "fail", moment: "after" },
      { kind: "flip-bit" },
      { kind: "stale-list", ms: 1 },
    ];
    const operations = Array.from(
      { length: 4000 },
      (_, index): Operation => ({ index, kind: index % 2 === 0 ? "get" : "put", name: "a", bytes: 0 }),
    );
    const run = (seed: number) => operations.map(seededFaults({ seed, probability: 0.1, faults }));
    assert.deepEqual(run(7), run(7));
    assert.notDeepEqual(run(7), run(8));
    const hits = run(7).filter((fault) => fault !== undefined).length;
    assert(hits > 300 && hits < 500, String(hits));
    const kinds = (from: number) =>
      new Set(run(7).flatMap((fault, index) => (index % 2 === from ? [fault?.kind] : [])));
    assert.deepEqual(kinds(0), new Set([undefined, "fail", "flip-bit"]));
    assert.deepEqual(kinds(1), new Set([undefined, "fail"]));
  });
});

suite("fault storage: crashes", () => {
  test("a crash takes effect or not, and everything after it crashes", async () => {
    for (const moment of ["before", "after"] as const) {
      const { inner, storage } = faulty(faultAt(1, { kind: "crash", moment }));
      await storage.put("a", HELLO);
      await assert.rejects(storage.put("b", HELLO), SimulatedCrash);
      assert.deepEqual(await names(inner), moment === "before" ? ["a"] : ["a", "b"]);
      for (const call of [
        () => storage.put("c", HELLO),
        () => storage.get("a"),
        () => names(storage),
        () => storage.stat("a"),
        () => storage.delete("a"),
        () => storage.free(),
      ]) {
        await assert.rejects(call, SimulatedCrash);
      }
      assert.equal(storage.operations.length, 2);
      assert.equal(storage.crashedAt?.name, "b");
      assert.equal((await names(inner)).includes("a"), true);
    }
  });

  test("a crash can leave half an object", async () => {
    const { inner, storage } = faulty(faultAt(0, { kind: "crash", moment: "before", residue: "half" }));
    await assert.rejects(storage.put("a", HELLO), SimulatedCrash);
    assert.equal((await inner.get("a")).toString(), "he");
  });

  test("every point of a scenario is visited, before and after its call", async () => {
    const left: string[] = [];
    const points = await enumerateCrashes({
      open: async () => new MemoryStorage(),
      run: writeDataFirst,
      check: async (storage, { moment, operation, crashed }) => {
        await checkManifest(storage);
        assert(crashed);
        left.push(`${moment} ${String(operation.index)}: ${(await names(storage)).join(",")}`);
      },
    });
    assert.equal(points.length, 6);
    assert.deepEqual(left, [
      "before 0: ",
      "after 0: data",
      "before 1: data",
      "after 1: data",
      "before 2: data",
      "after 2: data,manifest",
    ]);
  });

  test("a scenario that is wrong at one point is found", async () => {
    const manifestFirst = enumerateCrashes({
      open: async () => new MemoryStorage(),
      run: async (storage) => {
        await storage.put("manifest", Buffer.from("data"));
        await storage.put("data", HELLO);
      },
      check: checkManifest,
    });
    await assert.rejects(manifestFirst, (error) => isAppError(error, "ERR_STORAGE_NOT_FOUND"));
    const trustingHalves = enumerateCrashes({
      open: async () => new MemoryStorage(),
      run: writeDataFirst,
      check: async (storage) => {
        const data = await storage.stat("data");
        assert(data === null || data.size === HELLO.length);
      },
      residues: true,
    });
    await assert.rejects(trustingHalves, { name: "AssertionError" });
  });

  test("a failure of the scenario itself is not taken for a crash", async () => {
    const broken = enumerateCrashes({
      open: async () => new MemoryStorage(),
      run: async (storage) => {
        await storage.get("missing");
      },
      check: async () => undefined,
    });
    await assert.rejects(broken, (error) => isAppError(error, "ERR_STORAGE_NOT_FOUND"));
  });
});

/** Resolves after everything that can go on by itself has. */
async function settled(): Promise<"pending"> {
  const { promise, resolve } = Promise.withResolvers<"pending">();
  setImmediate(() => {
    resolve("pending");
  });
  return promise;
}

function differingBits(one: Buffer, other: Buffer): number {
  let count = 0;
  for (const [index, byte] of one.entries()) {
    for (let rest = byte ^ (other[index] ?? 0); rest !== 0; rest >>>= 1) count += rest & 1;
  }
  return count;
}
