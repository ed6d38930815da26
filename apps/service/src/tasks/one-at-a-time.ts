/**
 * The transactions of the queue take turns within a process. On PostgreSQL those of many devices at once would mostly undo each
 * other: small tables are read whole, and then each write conflicts with each read (measured: ten devices at work used up all attempts).
 * SQLite does the same by itself, and lets those that have ended wait for the disk together.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";
import { lineOfCaller } from "../database/query-lines.ts";

/** So often what other processes undid is begun anew, beyond what the database itself tries. */
const ROUNDS_MAX = 3;

/** Transactions must not be begun within transactions, which would wait for themselves. */
export function oneAtATime(database: Database): Database {
  if (database.kind === "sqlite") return database;
  const inTurn = createTurns();
  return {
    ...database,
    transaction: (work) => inTurn(() => stubborn(() => database.transaction(work))),
  };
}

/** Of so many turns one is not that of a start, when others wait, too. */
const TURNS_TO_OTHERS = 8;

type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Starts come first, as on SQLite. */
function createTurns(): InTurn {
  const starts: (() => void)[] = [];
  const others: (() => void)[] = [];
  let isTaken = false;
  let turns = 0;
  const passOn = (): void => {
    turns += 1;
    const [first, second] = turns % TURNS_TO_OTHERS === 0 ? [others, starts] : [starts, others];
    const next = first.shift() ?? second.shift();
    if (next === undefined) isTaken = false;
    else next();
  };
  return async (work) => {
    if (isTaken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      (lineOfCaller() === "starts" ? starts : others).push(resolve);
      await promise;
    }
    isTaken = true;
    try {
      return await work();
    } finally {
      passOn();
    }
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
