/**
 * Every hour one of the processes that share a database deletes what is too old. It takes a fifth of the time at most, so that the
 * service goes on meanwhile.
 *
 * @module
 */
import { type Clock, newId, type Randomness } from "@holdfast/kernel";
import { giveBackSpace } from "./free-space.ts";
import { OLD_ROWS, type OldRowDependencies } from "./old-rows.ts";

const EVERY_MS = 3_600_000;
const LOOK_MS = 60_000;
/** A process that is silent for so long while it is at it has died: another one takes over. */
const CLAIM_MS = 5 * 60_000;
const PAUSE_MIN_MS = 20;
const PAUSE_FACTOR = 4;

export interface HousekeepingDependencies extends OldRowDependencies {
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Told how many rows of a kind were deleted. */
  readonly deleted?: (kind: string, count: number) => void;
  /** Told when all that was due is done. */
  readonly finished?: () => void;
}

export interface Housekeeper {
  /** Resolves when a deletion that goes on has ended. */
  readonly stop: () => Promise<void>;
}

export function startHousekeeper(
  dependencies: HousekeepingDependencies,
  onError: (error: unknown) => void,
): Housekeeper {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await keepHouse(dependencies, signal).catch(onError);
      await dependencies.clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  };
  const done = run();
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** Deletes all that is too old, if it is time and no other process is at it. @returns whether it was this one. */
export async function keepHouse(
  dependencies: HousekeepingDependencies,
  signal: AbortSignal,
): Promise<boolean> {
  const { database, clock, randomness } = dependencies;
  const claim = newId("proc", clock, randomness);
  if (!(await begin(dependencies, claim))) return false;
  let isDone = false;
  try {
    isDone = await deleteAll(dependencies, claim, signal);
    if (isDone) dependencies.finished?.();
  } finally {
    // What a stop or a failure has left is due at once, here or elsewhere.
    const nextAt = clock.now() + (isDone ? EVERY_MS : 0);
    await database.db
      .updateTable("housekeeping")
      .set({ next_at: nextAt, process_id: null })
      .where("process_id", "=", claim)
      .execute();
  }
  return true;
}

async function deleteAll(
  dependencies: HousekeepingDependencies,
  claim: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { database, clock } = dependencies;
  const steps = Object.entries(OLD_ROWS).map(([kind, deleteSome]) => async (): Promise<number> => {
    const count = await deleteSome(dependencies);
    if (count > 0) dependencies.deleted?.(kind, count);
    return count;
  });
  for (const step of [...steps, () => giveBackSpace(database)]) {
    let count = 1;
    while (count > 0) {
      if (signal.aborted || !(await goOn(dependencies, claim))) return false;
      const start = clock.monotonic();
      count = await step();
      const pauseMs = Math.max(PAUSE_MIN_MS, PAUSE_FACTOR * (clock.monotonic() - start));
      if (count > 0) await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }
  return true;
}

async function begin({ database, clock }: HousekeepingDependencies, claim: string): Promise<boolean> {
  const { numUpdatedRows } = await database.db
    .updateTable("housekeeping")
    .set({ next_at: clock.now() + CLAIM_MS, process_id: claim })
    .where("next_at", "<=", clock.now())
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** False when this process was taken for dead. */
async function goOn({ database, clock }: HousekeepingDependencies, claim: string): Promise<boolean> {
  const { numUpdatedRows } = await database.db
    .updateTable("housekeeping")
    .set({ next_at: clock.now() + CLAIM_MS })
    .where("process_id", "=", claim)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}
