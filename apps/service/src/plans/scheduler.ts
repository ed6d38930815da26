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
    () => asStart(() => runDuePlans(dependencies, since)),
    () => endMissedRuns(dependencies),
    () => runDueMaintenance(dependencies),
    () => runDueReplications(dependencies, since),
  ];
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      for (const look of looks) await look().catch(onError);
      await dependencies.clock.sleep(LOOK_MS, stopping.signal).catch(() => undefined);
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
