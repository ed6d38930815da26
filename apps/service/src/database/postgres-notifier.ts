/**
 * Tells the processes that share a database, by NOTIFY, that something has changed. It is told after the change: who made that has done it,
 * whether the others hear of it now or when the database is back.
 *
 * @module
 */
import { sql } from "kysely";
import type { Db, Topic } from "./database.ts";
import { isOfDatabase } from "./failures.ts";
import { NOTIFY_CHANNEL } from "./postgres-listener.ts";
import { besideRequest } from "./query-lines.ts";

const RETRY_MS = 1000;

interface PostgresNotifier {
  /** What could not be told for the database's own sake is told later. */
  readonly notify: (topic: Topic) => Promise<void>;
  readonly close: () => void;
}

export function notifyOnPostgres(db: Db): PostgresNotifier {
  const untold = new Set<Topic>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const notify = async (topic: Topic): Promise<void> => {
    try {
      await sql`select pg_notify(${NOTIFY_CHANNEL}, ${topic})`.execute(db);
    } catch (error) {
      if (!isOfDatabase(error)) throw error;
      untold.add(topic);
      later();
    }
  };
  const tellAgain = async (): Promise<void> => {
    const topics = [...untold];
    untold.clear();
    for (const topic of topics) await notify(topic);
  };
  const later = (): void => {
    if (isClosed) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      besideRequest(tellAgain).catch(() => undefined);
    }, RETRY_MS).unref();
  };
  return {
    notify,
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
