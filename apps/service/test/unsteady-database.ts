/**
 * A database that does at a moment of the test's choice what every database does now and then: a transaction loses a race, others are
 * faster, or the connection breaks when it ends.
 */
import type { Database, Transaction } from "../src/database/database.ts";

export interface UnsteadyDatabase extends Database {
  /** From now on every transaction loses its first race: its work is undone, and done again. */
  loseRaces: () => void;
  /** Done by somebody else right before the next transaction. */
  meanwhile: (work: () => Promise<unknown>) => void;
  /**
   * The connection breaks at the end of the next transaction of which `isIt` is true.
   *
   * @param when before it was committed, or behind: who waits for the answer cannot tell.
   */
  breakConnection: (when: "before" | "behind", isIt?: (transaction: Transaction) => Promise<boolean>) => void;
}

interface Break {
  readonly when: "before" | "behind";
  readonly isIt: (transaction: Transaction) => Promise<boolean>;
}

class Undone extends Error {}

export function unsteady(database: Database): UnsteadyDatabase {
  let isLosing = false;
  let other: (() => Promise<unknown>) | undefined;
  let next: Break | undefined;

  const undone = async (work: (transaction: Transaction) => Promise<unknown>): Promise<void> => {
    try {
      await database.transaction(async (transaction) => {
        await work(transaction);
        throw new Undone();
      });
    } catch (error) {
      if (!(error instanceof Undone)) throw error;
    }
  };
  return {
    ...database,
    loseRaces: () => {
      isLosing = true;
    },
    meanwhile: (work) => {
      other = work;
    },
    breakConnection: (when, isIt = async () => true) => {
      next = { when, isIt };
    },
    transaction: async (work) => {
      const faster = other;
      other = undefined;
      await faster?.();
      if (isLosing) await undone(work);
      let breaks: Break | undefined;
      const result = await database.transaction(async (transaction) => {
        const value = await work(transaction);
        if (next !== undefined && (await next.isIt(transaction))) {
          breaks = next;
          next = undefined;
          if (breaks.when === "before") throw broken();
        }
        return value;
      });
      if (breaks !== undefined) throw broken();
      return result;
    },
  };
}

/** As the driver of PostgreSQL says it. */
function broken(): Error {
  return new Error("Connection terminated unexpectedly");
}
