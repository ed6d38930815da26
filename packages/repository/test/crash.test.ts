/**
 * A crash before and after every call that a process makes of the storage. Whatever is left: the repository opens, every copy
 * that was finished before reads byte for byte, and the next backup and the next clean-up complete.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SUITE_NONE } from "@holdfast/crypto";
import { type Clock, systemRandomness } from "@holdfast/kernel";
import { type CrashPoint, enumerateCrashes, MemoryStorage, type Storage } from "@holdfast/storage";
import { listCopies } from "../src/copies/copies.ts";
import type { SlotKey } from "../src/keys/slot.ts";
import { addSlot, listSlots, removeSlot } from "../src/keys/slots.ts";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import { replicate } from "../src/maintenance/replicate.ts";
import {
  createRepository,
  openRepository,
  readConfig,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
  rootSecretOf,
} from "../src/repository.ts";
import { type FixtureEntry, GCM_HIGH, writeCopy } from "./fixture-writer.ts";
import { type CopyContents, readCopies } from "./read-copy.ts";
import { SeededRandom } from "./simulation-random.ts";

const KEY = { kind: "recovery", seed: Buffer.alloc(32, 7) } as const satisfies SlotKey;
const OTHER_KEY = { kind: "recovery", seed: Buffer.alloc(32, 8) } as const satisfies SlotKey;
const DEAD_PROCESS = 1;
const PACKS = {
  chunkBytes: 8192,
  bundledBytesMax: 4096,
  bundleBytes: 8192,
  packBytes: 60_000,
  packBytesAim: 131_072,
} as const;

interface Prepared {
  readonly storage: MemoryStorage;
  /** By id. */
  readonly copies: ReadonlyMap<string, CopyContents>;
  readonly ids: readonly string[];
}

/** Every process but the one that crashes has a number of its own. */
let processes = DEAD_PROCESS;

function portsOf(storage: Storage, processId: number): RepositoryPorts {
  const clock: Clock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: async () => undefined,
  };
  const process = { host: "host", bootId: "boot", processId, startTime: "" };
  const hasEnded = ({ processId: other }: { readonly processId: number }): boolean => other === DEAD_PROCESS;
  return { storage, clock, randomness: systemRandomness, process, hasEnded };
}

function open(storage: Storage, processId = (processes += 1), key: SlotKey = KEY): Promise<Repository> {
  return openRepository(portsOf(storage, processId), key, ["write", "maintain", "read"]);
}

/** The process that will die. */
function openDoomed(storage: Storage): Promise<Repository> {
  return open(storage, DEAD_PROCESS);
}

function filesOf(random: SeededRandom, common: readonly Buffer[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [index, content] of common.entries()) files.set(`common/${String(index)}`, content);
  for (let index = 0; index < 3; index += 1) files.set(`own/${String(index)}`, random.bytes(2500));
  files.set("own/large", random.bytes(20_000));
  return files;
}

function entriesOf(files: ReadonlyMap<string, Buffer>): FixtureEntry[] {
  return [...files].map(([path, content]) => ({ kind: "file", path, content }));
}

/** Three copies that share half of what they hold. */
async function prepare(): Promise<Prepared> {
  const random = new SeededRandom(1);
  const storage = new MemoryStorage();
  const target = { kind: "recovery", publicKey: recoveryPublicKey(KEY.seed) } as const;
  await createRepository(portsOf(storage, 0), { suite: GCM_HIGH, slot: { target, label: "first" } });
  const repository = await open(storage);
  const common = [random.bytes(3000), random.bytes(9000)];
  const copies = new Map<string, CopyContents>();
  for (let index = 0; index < 3; index += 1) {
    const files = filesOf(random, common);
    copies.set(await writeCopy(repository, entriesOf(files), PACKS), files);
  }
  return { storage, copies, ids: [...copies.keys()] };
}

const prepared = prepare();
const NEW_FILES = filesOf(new SeededRandom(2), [new SeededRandom(3).bytes(9000)]);

/** @param kept ids of copies that must be there and whole; others that are there must be whole as well. */
async function checkCopies(
  storage: Storage,
  kept: readonly string[],
  known: ReadonlyMap<string, CopyContents>,
): Promise<void> {
  const repository = await open(storage);
  const { copies, damaged } = await listCopies(storage, repository.keys);
  assert.deepEqual(damaged, []);
  const found = await readCopies(repository, copies);
  for (const id of kept) assert(found.has(id), `copy ${id} is lost`);
  for (const [id, contents] of found) assert.deepEqual(contents, known.get(id) ?? NEW_FILES);
}

/** What the next processes do: back up, clean up, and find everything in order. */
async function goOn(
  storage: Storage,
  kept: readonly string[],
  known: ReadonlyMap<string, CopyContents>,
): Promise<void> {
  await checkCopies(storage, kept, known);
  const repository = await open(storage);
  const next = await writeCopy(repository, entriesOf(NEW_FILES), PACKS);
  await checkCopies(storage, [...kept, next], known);
  const first = await clean(repository);
  assert.equal(first.pendingReason, undefined);
  await checkCopies(storage, [...kept, next], known);
  await checkNothingLeft(repository);
}

async function checkNothingLeft(repository: Repository): Promise<void> {
  const { storage } = repository.ports;
  for (const prefix of ["sessions/", "condemned/", "waits/"]) {
    assert.deepEqual(await Array.fromAsync(storage.list(prefix)), []);
  }
  const { packsDeleted } = await clean(repository, { dryRun: true });
  assert.equal(packsDeleted, 0, "packs that no copy needs are left");
}

async function namesOf(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list(""))).map(({ name }) => name).toSorted();
}

function assertPoints(points: readonly CrashPoint[], atLeast: number): void {
  assert(points.filter(({ crashed }) => crashed).length >= atLeast, `only ${String(points.length)} points`);
}

suite("a crash at every call of the storage", () => {
  test("of a backup loses nothing that was finished", async () => {
    const { storage, copies, ids } = await prepared;
    const points = await enumerateCrashes({
      open: async () => storage.clone(),
      run: async (doomed) => writeCopy(await openDoomed(doomed), entriesOf(NEW_FILES), PACKS),
      check: (left) => goOn(left, ids, copies),
    });
    assertPoints(points, 30);
  });

  test("of a forget loses no other copy", async () => {
    const { storage, copies, ids } = await prepared;
    const points = await enumerateCrashes({
      open: async () => storage.clone(),
      run: async (doomed) => forgetCopies(await openDoomed(doomed), ids.slice(0, 2)),
      check: (left) => goOn(left, ids.slice(2), copies),
    });
    assertPoints(points, 4);
  });

  test("of a clean-up loses no copy, and the next one completes it", async () => {
    const { storage, copies, ids } = await prepared;
    const forgotten = storage.clone();
    await forgetCopies(await open(forgotten), ids.slice(0, 2));
    const points = await enumerateCrashes({
      open: async () => forgotten.clone(),
      run: async (doomed) => {
        const { packsDeleted, packsRepacked } = await clean(await openDoomed(doomed), { repackBelow: 1 });
        assert(packsDeleted > 0 && packsRepacked > 0, "the scenario has nothing to clean up");
      },
      check: (left) => goOn(left, ids.slice(2), copies),
    });
    assertPoints(points, 40);
  });

  test("of a clean-up after a clean-up that crashed loses no copy either", async () => {
    const { storage, copies, ids } = await prepared;
    const forgotten = storage.clone();
    const last = ids.slice(2);
    await forgetCopies(await open(forgotten), ids.slice(0, 2));
    const halfway: MemoryStorage[] = [];
    await enumerateCrashes({
      open: async () => forgotten.clone(),
      run: async (doomed) => clean(await openDoomed(doomed), { repackBelow: 1 }),
      check: async (left, { operation, moment }) => {
        const isPublishing = operation.kind === "put" && !operation.name.startsWith("sessions/");
        if (isPublishing && moment === "after") halfway.push(left.clone());
      },
    });
    assert(halfway.length >= 3);
    for (const start of halfway) {
      await enumerateCrashes({
        open: async () => start.clone(),
        run: async (doomed) => clean(await openDoomed(doomed), { repackBelow: 1 }),
        check: (left) => checkCopies(left, last, copies),
      });
    }
  });

  test("of a replication leaves whole copies, and the next one completes it", async () => {
    const { storage, copies, ids } = await prepared;
    const source = await open(storage);
    const points = await enumerateCrashes({
      open: async () => new MemoryStorage(),
      run: (doomed) => replicate({ ...source, ports: portsOf(storage, DEAD_PROCESS) }, doomed),
      check: async (left) => {
        if ((await left.stat("config")) !== null) await checkCopies(left, [], copies);
        await replicate({ ...source, ports: portsOf(storage, (processes += 1)) }, left);
        await checkCopies(left, ids, copies);
        const { packsRepacked, pendingReason } = await clean(await open(left));
        assert.deepEqual([packsRepacked, pendingReason], [0, undefined]);
        await checkCopies(left, ids, copies);
      },
    });
    assertPoints(points, 40);
  });

  test("of adding a key keeps the old one", async () => {
    const { storage, copies, ids } = await prepared;
    const points = await enumerateCrashes({
      open: async () => storage.clone(),
      run: addOtherKey,
      check: async (left, { moment, operation }) => {
        await checkCopies(left, ids, copies);
        const isThere = operation.kind === "put" && moment === "after";
        if (isThere) await open(left, (processes += 1), OTHER_KEY);
      },
    });
    assertPoints(points, 4);
  });

  test("of removing a key keeps the other one", async () => {
    const { storage, copies, ids } = await prepared;
    const two = storage.clone();
    await addOtherKey(two);
    const before = new Set(await namesOf(storage));
    const { slots } = await listSlots(two, (await readConfig(two)).config.repository);
    const removed = slots.find(({ name }) => !before.has(name));
    assert(removed !== undefined && slots.length === 2);
    const points = await enumerateCrashes({
      open: async () => two.clone(),
      run: async (doomed) => removeSlot(doomed, (await readConfig(doomed)).config.repository, removed.id),
      check: (left) => checkCopies(left, ids, copies),
    });
    assertPoints(points, 4);
  });

  test("of making a repository lets it be made again", async () => {
    const target = { kind: "recovery", publicKey: recoveryPublicKey(KEY.seed) } as const;
    const protection = { suite: GCM_HIGH, slot: { target, label: "" } };
    for (const chosen of [protection, { suite: SUITE_NONE }]) {
      const points = await enumerateCrashes({
        open: async () => new MemoryStorage(),
        run: (doomed) => createRepository(portsOf(doomed, DEAD_PROCESS), chosen),
        check: async (left) => {
          const isMade = (await namesOf(left)).includes("config");
          if (!isMade) await createRepository(portsOf(left, 0), chosen);
          const key = chosen.suite === SUITE_NONE ? undefined : KEY;
          await openRepository(portsOf(left, 0), key, ["read"]);
        },
      });
      assertPoints(points, 4);
    }
  });
});

async function addOtherKey(storage: Storage): Promise<void> {
  const { config } = await readConfig(storage);
  const repository = await open(storage);
  await addSlot(storage, {
    repository: config.repository,
    rootSecret: await rootSecretOf(storage, config, KEY),
    tableKey: repository.keys.tableKey,
    createdMs: Date.now(),
    target: { kind: "recovery", publicKey: recoveryPublicKey(OTHER_KEY.seed) },
    label: "second",
    randomness: systemRandomness,
  });
}
