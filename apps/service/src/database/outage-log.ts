/**
 * What everybody fails with while the database is absent, or overloaded, is one thing, not one for each of them and each time: it is told
 * once when it begins, and once when it is over.
 *
 * @module
 */
import { sql } from "kysely";
import type { Database } from "./database.ts";

const LOOK_MS = 1000;

export interface OutageLog {
  /** True: the failure is one of the outage, and told. */
  readonly tell: (error: unknown) => boolean;
  readonly stop: () => void;
}

export interface OutageListener {
  readonly began: (error: unknown) => void;
  readonly ended: (seconds: number) => void;
}

/** @param isOne whether a failure is one of the outage. */
export function createOutageLog(
  { db }: Pick<Database, "db">,
  isOne: (error: unknown) => boolean,
  listener: OutageListener,
): OutageLog {
  let since: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    try {
      // In the line of who failed first: timers keep it.
      await sql`select 1`.execute(db);
    } catch {
      later();
      return;
    }
    const seconds = Math.round((performance.now() - (since ?? 0)) / 1000);
    since = undefined;
    listener.ended(seconds);
  };
  const later = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => void look(), LOOK_MS).unref();
  };
  return {
    tell: (error) => {
      if (!isOne(error)) return false;
      if (since === undefined) {
        since = performance.now();
        listener.began(error);
        later();
      }
      return true;
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
