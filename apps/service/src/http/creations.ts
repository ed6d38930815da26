/**
 * Lets a request that creates something note, in the very transaction that does, that it was done: whether that transaction was committed
 * is unknown to who loses the database at that moment, and to who asks after the process has died.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Database, Transaction } from "../database/database.ts";

type Note = (transaction: Transaction) => Promise<void>;

const notes = new AsyncLocalStorage<Note>();

/** Each transaction of `work` ends with `note`. */
export function inCreation<T>(note: Note, work: () => Promise<T>): Promise<T> {
  return notes.run(note, work);
}

/** The database whose transactions do what {@link inCreation} says. */
export function noteCreations(database: Database): Database {
  return {
    ...database,
    transaction: (work) =>
      database.transaction(async (transaction) => {
        const result = await work(transaction);
        await notes.getStore()?.(transaction);
        return result;
      }),
  };
}
