/**
 * `start` is repeated until the first event of its run is stored (docs/protocol.md, section 3).
 *
 * @module
 */
import type { ServiceMessage } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";

type Start = Extract<ServiceMessage, { type: "start" }>;

export interface Starts {
  readonly expect: (deviceId: string, start: Start) => void;
  readonly arrived: (run: string) => void;
  /** Sends again what has not arrived, if it is still wanted. */
  readonly repeat: () => Promise<void>;
}

export function createStarts(
  database: Database,
  send: (deviceId: string, message: ServiceMessage) => void,
): Starts {
  const expected = new Map<string, { readonly deviceId: string; readonly start: Start }>();
  return {
    expect: (deviceId, start) => {
      expected.set(start.run, { deviceId, start });
    },
    arrived: (run) => {
      expected.delete(run);
    },
    repeat: async () => {
      if (expected.size === 0) return;
      const given = await database.db
        .selectFrom("runs")
        .select("id")
        .where("state", "=", "given")
        .where("id", "in", [...expected.keys()].slice(0, 1000))
        .execute();
      const stillGiven = new Set(given.map(({ id }) => id));
      for (const [run, { deviceId, start }] of [...expected].slice(0, 1000)) {
        if (stillGiven.has(run)) send(deviceId, start);
        else expected.delete(run);
      }
    },
  };
}
