/**
 * The transactions of the queue take turns within a process. On PostgreSQL those of many devices at once would mostly undo each
 * other: small tables are read whole, and then each write conflicts with each read (measured: ten devices at work used up all attempts).
 * SQLite does the same by itself, and lets those that have ended wait for the disk together.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";

/** So often what other processes undid is begun anew, beyond what the database itself tries. */
const ROUNDS_MAX = 3;

/** Transactions must not be begun within transactions, which would wait for themselves. */
export function oneAtATime(database: Database): Database {
  if (database.kind === "sqlite") return database;
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...database,
    transaction: (work) => {
      const turn = last.then(() => stubborn(() => database.transaction(work)));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

async function stubborn<T>(run: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await run();
    } catch (error) {
      if (round === ROUNDS_MAX || !isAppError(error, "ERR_DATABASE_BUSY")) throw error;
    }
  }
}
