/**
 * The processes of the service that share a database: each beats, and what a dead one held is free again.
 *
 * @module
 */
import { type Clock, newId, type Randomness } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";

export const PROCESS_BEAT_MS = 5000;
/** After so long without a beat a process counts as dead. */
export const PROCESS_DEAD_MS = 20_000;

/** A process whose last beat is later than this is alive. */
export function isAliveSince(clock: Pick<Clock, "now">): number {
  return clock.now() - PROCESS_DEAD_MS;
}

export interface OwnProcess {
  readonly id: string;
  readonly start: () => Promise<void>;
  /** Says that this process lives, and frees what dead ones held. */
  readonly beat: () => Promise<void>;
  /** Frees what this one holds. */
  readonly stop: () => Promise<void>;
}

export function createOwnProcess(dependencies: {
  readonly database: Database;
  readonly clock: Clock;
  readonly randomness: Randomness;
}): OwnProcess {
  const { database, clock, randomness } = dependencies;
  const id = newId("proc", clock, randomness);

  const live = async (): Promise<void> => {
    const now = clock.now();
    await database.db
      .insertInto("processes")
      .values({ id, started_at: now, beat_at: now })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ beat_at: now }))
      .execute();
  };
  return {
    id,
    start: live,
    beat: async () => {
      await live();
      await freeDead(database, clock);
    },
    stop: async () => {
      await database.db
        .updateTable("devices")
        .set({ process_id: null })
        .where("process_id", "=", id)
        .execute();
      await database.db.deleteFrom("processes").where("id", "=", id).execute();
    },
  };
}

async function freeDead(database: Database, clock: Pick<Clock, "now">): Promise<void> {
  const dead = await database.db
    .selectFrom("processes")
    .select("id")
    .where("beat_at", "<=", isAliveSince(clock))
    .execute();
  for (const { id } of dead) {
    await database.db.updateTable("devices").set({ process_id: null }).where("process_id", "=", id).execute();
    await database.db.deleteFrom("processes").where("id", "=", id).execute();
  }
}
