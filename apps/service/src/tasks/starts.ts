/**
 * `start` is repeated until the first event of its run is stored (docs/protocol.md, section 3).
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { BEAT_MS, type ServiceMessage } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";

type Start = Extract<ServiceMessage, { type: "start" }>;

export interface Starts {
  readonly expect: (deviceId: string, start: Start) => void;
  readonly arrived: (run: string) => void;
  /** Sends again what has not arrived, if it is still wanted. */
  readonly repeat: () => Promise<void>;
}

const LOOKED_AT_MAX = 1000;

export function createStarts(
  database: Database,
  clock: Pick<Clock, "monotonic">,
  send: (deviceId: string, message: ServiceMessage) => void,
): Starts {
  const expected = new Map<string, { readonly deviceId: string; readonly start: Start; sentAt: number }>();
  return {
    expect: (deviceId, start) => {
      expected.set(start.run, { deviceId, start, sentAt: clock.monotonic() });
    },
    arrived: (run) => {
      expected.delete(run);
    },
    repeat: async () => {
      const now = clock.monotonic();
      const late = [...expected.values()]
        .filter(({ sentAt }) => now - sentAt >= BEAT_MS)
        .slice(0, LOOKED_AT_MAX);
      if (late.length === 0) return;
      const given = await database.db
        .selectFrom("runs")
        .select("id")
        .where("state", "=", "given")
        .where(
          "id",
          "in",
          late.map(({ start }) => start.run),
        )
        .execute();
      const stillGiven = new Set(given.map(({ id }) => id));
      for (const entry of late) {
        entry.sentAt = now;
        if (stillGiven.has(entry.start.run)) send(entry.deviceId, entry.start);
        else expected.delete(entry.start.run);
      }
    },
  };
}
