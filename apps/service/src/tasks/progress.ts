/**
 * Progress of runs: only the newest is kept, and written down now and then.
 *
 * @module
 */
import type { RunProgress } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";
import { ACTIVE_RUN_STATES } from "./run-end.ts";

export interface ProgressStore {
  readonly keep: (deviceId: string, run: string, progress: RunProgress) => void;
  readonly store: () => Promise<void>;
}

/** A device cannot make the service remember more than this. */
const KEPT_MAX = 10_000;

export function createProgressStore(database: Database): ProgressStore {
  let newest = new Map<string, { readonly deviceId: string; readonly progress: RunProgress }>();
  return {
    keep: (deviceId, run, progress) => {
      // With the device, so that one cannot hide the progress of another.
      const key = `${deviceId} ${run}`;
      if (newest.has(key) || newest.size < KEPT_MAX) newest.set(key, { deviceId, progress });
    },
    store: async () => {
      if (newest.size === 0) return;
      const writing = newest;
      newest = new Map();
      await database.transaction(async (transaction) => {
        for (const [key, { deviceId, progress }] of writing) {
          await transaction
            .updateTable("runs")
            .set({ progress: JSON.stringify(progress) })
            .where("id", "=", key.slice(deviceId.length + 1))
            .where("device_id", "=", deviceId)
            .where("state", "in", ACTIVE_RUN_STATES)
            .execute();
        }
      });
      await database.notify("live");
    },
  };
}
