/** What people and programs do in a simulated world, again and again, each at a pace of its own. */
import { isAppError } from "@holdfast/kernel";
import { listCopies } from "../src/copies/copies.ts";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import { replicate } from "../src/maintenance/replicate.ts";
import { type FixtureEntry, writeCopy } from "./fixture-writer.ts";
import { type CopyContents, readCopies } from "./read-copy.ts";
import type { SeededRandom } from "./simulation-random.ts";
import { ProcessDied, type ProcessFate, UNHARMED } from "./simulation-storage.ts";
import {
  type Distortion,
  type Place,
  type SimulatedProcess,
  type SimulatedWorld,
  Violation,
} from "./simulation-world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CONTENTS = 12;

export interface ActorOptions {
  readonly world: SimulatedWorld;
  readonly random: SeededRandom;
  /** How often it acts. */
  readonly rounds: number;
  /** The longest pause before each time. */
  readonly pauseMs: number;
  /** What its processes see instead of the truth. */
  readonly distort?: Distortion | undefined;
}

/** Codes with which a process may give up. */
type Allowed = readonly string[];

const LOST: Allowed = ["ERR_SESSION_LOST"];

function newFate(random: SeededRandom, mayBePaused: boolean): ProcessFate {
  const stalls = random.chance(0.25);
  return {
    diesAfter: random.chance(0.25) ? Math.floor(random.scale(1, 150)) : undefined,
    stallChance: stalls ? random.scale(0.002, 0.05) : 0,
    stallMaxMs: 4 * DAY_MS,
    stallsAt: random.chance(0.2) ? random.pick(["copies/", "index/", "packs/", "condemned/"]) : undefined,
    isPaused: mayBePaused && random.chance(0.5),
    latencyMaxMs: random.scale(100, 20 * MINUTE_MS),
  };
}

/** Runs a process to its end; whatever it may not fail with is a violation. */
async function live(
  { world, random, distort }: ActorOptions,
  place: Place,
  allowed: Allowed,
  action: (process: SimulatedProcess) => Promise<void>,
): Promise<void> {
  const process = world.process(place, newFate(random, place.disk.staleMs === 0), distort);
  try {
    await action(process);
  } catch (error) {
    const mayFail = isAppError(error) && isAllowed(error.code, place, allowed);
    if (!process.storage.isDead && !(error instanceof ProcessDied) && !mayFail) {
      throw error instanceof Violation ? error : new Violation(String(error), { cause: error });
    }
  }
  world.end(process);
}

function isAllowed(code: string, place: Place, allowed: Allowed): boolean {
  // A list that lags behind shows what is gone and hides what is there: nobody can do more than try again.
  const isStale = place.disk.staleMs > 0;
  if (isStale && (code === "ERR_STORAGE_NOT_FOUND" || code === "ERR_DAMAGED")) return true;
  // The manifest of a copy that nobody was told is done, and that may lack something: cleaning refuses.
  if (code === "ERR_DAMAGED" && place.late.size > 0) return true;
  return allowed.includes(code);
}

async function pause({ world, random, pauseMs }: ActorOptions): Promise<void> {
  await world.clock.sleep(random.scale(MINUTE_MS, pauseMs));
}

/** Contents that come and go and come again in many copies. */
export function commonContents(random: SeededRandom): readonly Buffer[] {
  return Array.from({ length: CONTENTS }, () => newContent(random));
}

function newContent(random: SeededRandom): Buffer {
  const content = Buffer.alloc(Math.floor(random.scale(2100, 30_000)));
  for (let at = 0; at + 4 <= content.length; at += 4) content.writeUInt32LE(random.integer(0, 2 ** 32), at);
  return content;
}

/** A machine that backs up its changing files. */
export async function backUp(options: ActorOptions, name: string, common: readonly Buffer[]): Promise<void> {
  const { world, random } = options;
  const place = world.place("primary");
  const files = new Map<string, Buffer>();
  for (let round = 0; round < options.rounds; round += 1) {
    await pause(options);
    change(files, random, common);
    const contents: CopyContents = new Map(files);
    const entries: FixtureEntry[] = [...files].map(([path, content]) => ({ kind: "file", path, content }));
    await live(options, place, LOST, async ({ repository }) => {
      const id = await writeCopy(repository, entries, {
        host: name,
        timeMs: world.clock.now(),
        chunkBytes: 16_384,
        bundledBytesMax: 8192,
        bundleBytes: 16_384,
        packBytes: 20_000,
        packBytesAim: 131_072,
        segmentsMax: 4,
      });
      place.copies.set(id, { contents, isForgotten: false });
    });
  }
}

function change(files: Map<string, Buffer>, random: SeededRandom, common: readonly Buffer[]): void {
  for (let changes = random.integer(1, 6); changes > 0; changes -= 1) {
    const path = `d${String(random.integer(0, 3))}/f${String(random.integer(0, 6))}`;
    if (random.chance(0.2)) files.delete(path);
    else files.set(path, (random.chance(0.8) ? random.pick(common) : undefined) ?? newContent(random));
  }
}

/** Somebody who forgets copies, now one, now nearly all. */
export async function forget(options: ActorOptions): Promise<void> {
  const { world, random } = options;
  for (let round = 0; round < options.rounds; round += 1) {
    await pause(options);
    const place = random.pick(world.places);
    if (place === undefined || place.copies.size === 0) continue;
    const share = random.chance(0.4) ? 1 : random.fraction();
    const chosen = [...place.copies].filter(([, copy]) => !copy.isForgotten && random.chance(share));
    for (const [, copy] of chosen) copy.isForgotten = true;
    await live(options, place, [], ({ repository }) =>
      forgetCopies(
        repository,
        chosen.map(([id]) => id),
      ),
    );
  }
}

/** A cleaner that is started now and then, in one place or the other. */
export async function cleanUp(options: ActorOptions): Promise<void> {
  const { world, random } = options;
  for (let round = 0; round < options.rounds; round += 1) {
    await pause(options);
    const place = random.chance(0.75) ? world.place("primary") : world.place("replica");
    if ((await place.disk.objects.stat("config")) === null) continue;
    const repackBelow = random.scale(0.2, 1);
    await live(options, place, [...LOST, "ERR_CLEANER_ACTIVE"], async ({ repository }) => {
      await clean(repository, { repackBelow });
    });
    await forgetLate(world, place);
  }
}

/** Does what a person does who is told that a copy is damaged of which nobody was told that it is done. */
export async function forgetLate(world: SimulatedWorld, place: Place): Promise<void> {
  for (const [name, by] of place.late) {
    if (!by.isDead) continue;
    await forgetCopies(world.truth(place), [name.slice("copies/".length)]);
    place.disk.forget(name);
    place.late.delete(name);
  }
}

/** Somebody who restores copies, and tries again when packs go under them. */
export async function restore(options: ActorOptions): Promise<void> {
  const { world, random } = options;
  for (let round = 0; round < options.rounds; round += 1) {
    await pause(options);
    const place = random.pick(world.places);
    const [id, expected] = random.pick([...(place?.copies ?? [])]) ?? [];
    if (place === undefined || id === undefined || expected === undefined) continue;
    await live(options, place, [], (process) => restoreOne(options, process, id, () => expected.isForgotten));
  }
}

const RESTORE_ATTEMPTS = 6;

async function restoreOne(
  { world }: ActorOptions,
  { repository }: SimulatedProcess,
  id: string,
  isForgotten: () => boolean,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { copies } = await listCopies(repository.ports.storage, repository.keys);
      await readCopies(
        repository,
        copies.filter((copy) => copy.id === id),
      );
      return;
    } catch (error) {
      if (isForgotten()) return;
      const mayPass = isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_STORAGE_NOT_FOUND");
      if (!mayPass || attempt === RESTORE_ATTEMPTS) throw error;
      await world.clock.sleep(attempt * 12 * HOUR_MS);
    }
  }
}

/** Replicates some copies or all. */
export async function replicateCopies(options: ActorOptions): Promise<void> {
  const { world, random } = options;
  const [source, target] = [world.place("primary"), world.place("replica")];
  const allowed = [...LOST, "ERR_CLEAN_FIRST", "ERR_STORAGE_NOT_FOUND", "ERR_COPY_NOT_FOUND"];
  for (let round = 0; round < options.rounds; round += 1) {
    await pause(options);
    await live(
      options,
      target,
      source.late.size > 0 ? [...allowed, "ERR_DAMAGED"] : allowed,
      async (process) => {
        const from = world.process(source, UNHARMED);
        const { storage } = process.repository.ports;
        const repository = {
          ...from.repository,
          ports: { ...process.repository.ports, storage: from.storage },
        };
        const chosen = [...source.copies.keys()].filter(() => random.chance(0.5));
        const { copied } = await replicate(repository, storage, random.chance(0.5) ? {} : { copies: chosen });
        for (const id of copied) {
          const known = source.copies.get(id);
          if (known !== undefined) target.copies.set(id, { contents: known.contents, isForgotten: false });
        }
      },
    );
  }
}
