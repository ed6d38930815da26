/**
 * Looks several times a second whether schedules want something started: plans, and the verification of repositories; and lets the lock
 * clock pass.
 *
 * @module
 */
import { type MaintenanceDependencies, runDueMaintenance } from "../maintenance/maintenance.ts";
import { asStart } from "../database/query-lines.ts";
import type { EndDependencies } from "../tasks/run-end.ts";
import { createLockClock } from "../policies/lock-clock.ts";
import { applyDueLockChanges } from "../policies/retention-lock.ts";
import { runDueReplications } from "../repositories/replication-runs.ts";
import { endMissedRuns } from "./missed-runs.ts";
import { runDuePlans, type RunDependencies } from "./plan-runs.ts";

/** A start is late by half of it in the middle; a look that finds nothing costs a few looks into indexes. */
const LOOK_MS = 250;
/** What is due one after the other is started together. */
const LOOK_MIN_MS = 20;

export interface Scheduler {
  /** Resolves when a look that goes on has ended. */
  readonly stop: () => Promise<void>;
}

/** @param onError what a look failed with; the next one comes all the same. */
export function startScheduler(
  dependencies: RunDependencies & MaintenanceDependencies & EndDependencies,
  onError: (error: unknown) => void,
): Scheduler {
  const stopping = new AbortController();
  const since = dependencies.clock.now();
  const lockClock = createLockClock(dependencies.database, dependencies.clock);
  // What fails is not in the way of the others.
  const looks: readonly (() => Promise<unknown>)[] = [
    async () => {
      if (await lockClock.look()) await applyDueLockChanges(dependencies);
    },
    () => endMissedRuns(dependencies),
    () => runDueMaintenance(dependencies),
    () => runDueReplications(dependencies, since),
  ];
  const isStopped = (): boolean => stopping.signal.aborted;
  const pause = (ms: number): Promise<void> =>
    dependencies.clock.sleep(ms, stopping.signal).catch(() => undefined);
  const lookAtOthers = async (): Promise<void> => {
    while (!isStopped()) {
      for (const look of looks) await look().catch(onError);
      await pause(LOOK_MS);
    }
  };
  // By themselves: the others write, and what they wait for would make backups late.
  const lookAtPlans = async (): Promise<void> => {
    while (!isStopped()) {
      let ms = LOOK_MS;
      const lookedAt = dependencies.clock.now();
      try {
        await runDuePlans(dependencies, since);
        ms = await untilNextStart(dependencies, lookedAt);
      } catch (error) {
        onError(error);
      }
      await pause(ms);
    }
  };
  const done = Promise.all([lookAtOthers(), asStart(lookAtPlans)]);
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/**
 * To the moment at which something is due that was not at the last look, if that is before the next one. Processes that share a database do not look at the same
 * moment: they would be in each other's way.
 */
async function untilNextStart(
  { database, clock }: Pick<RunDependencies, "database" | "clock">,
  lookedAt: number,
): Promise<number> {
  if (database.kind !== "sqlite") return LOOK_MS;
  const now = clock.now();
  const next = await database.db
    .selectFrom("plan_devices")
    .select("next_start_at as at")
    .where("next_start_at", ">", lookedAt)
    .where("next_start_at", "<", now + LOOK_MS)
    .orderBy("next_start_at")
    .limit(1)
    .executeTakeFirst();
  return Math.max(LOOK_MIN_MS, (next?.at ?? now + LOOK_MS) - clock.now());
}
