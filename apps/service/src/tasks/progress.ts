/**
 * Progress of runs: only the newest is kept, and written down now and then.
 *
 * @module
 */
import { type RunProgress, RUNS_MAX } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";
import { ACTIVE_RUN_STATES } from "./run-end.ts";

export interface ProgressStore {
  readonly keep: (deviceId: string, run: string, progress: RunProgress) => void;
  readonly store: () => Promise<void>;
}

export function createProgressStore(database: Database): ProgressStore {
  /** By device, so that one can neither hide the progress of another, nor make the service remember more than its own. */
  let newest = new Map<string, Map<string, RunProgress>>();
  return {
    keep: (deviceId, run, progress) => {
      const own = newest.get(deviceId) ?? new Map<string, RunProgress>();
      newest.set(deviceId, own);
      if (own.has(run) || own.size < RUNS_MAX) own.set(run, progress);
    },
    store: async () => {
      if (newest.size === 0) return;
      const writing = newest;
      newest = new Map();
      await database.transaction(async (transaction) => {
        for (const [deviceId, own] of writing)
          for (const [run, progress] of own) {
            await transaction
              .updateTable("runs")
              .set({ progress: JSON.stringify(progress) })
              .where("id", "=", run)
              .where("device_id", "=", deviceId)
              .where("state", "in", ACTIVE_RUN_STATES)
              .execute();
          }
      });
      await database.notify("live");
    },
  };
}
