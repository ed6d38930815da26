/**
 * What the log says of a database that is absent, and of one that is there but overloaded: for each two calm lines, what happens and what
 * to do, and that it is over.
 *
 * @module
 */
import { describeError, type Log } from "../http/log.ts";
import type { Database } from "./database.ts";
import { isDatabaseAbsent, isDatabaseOverloaded } from "./failures.ts";
import { createOutageLog, type OutageListener, type OutageLog } from "./outage-log.ts";

export function createOutages(database: Database, log: Log): OutageLog {
  const absent = createOutageLog(database, isDatabaseAbsent, {
    began: (error) => {
      const { message, cause } = describeError(error);
      log.error("database-absent", {
        message: "The database does not answer: nothing starts, and requests are refused, until it does.",
        reason: cause ?? message,
        remedy: "See that it runs and that this machine reaches it; the service goes on by itself then.",
      });
    },
    ended: (seconds) => log.info("database-back", { seconds }),
  });
  const overloaded = createOutageLog(database, isDatabaseOverloaded, overload(log));
  return {
    tell: (error) => absent.tell(error) || overloaded.tell(error),
    stop: () => {
      absent.stop();
      overloaded.stop();
    },
  };
}

function overload(log: Log): OutageListener {
  return {
    began: (error) => {
      log.error("database-overloaded", {
        message:
          "The database is there, but has more to do than it can: requests wait too long, and some are refused.",
        reason: describeError(error)["message"],
        remedy: "See what it is busy with (pg_stat_activity), and whether less can be asked at once.",
      });
    },
    ended: (seconds) => log.info("database-free", { seconds }),
  };
}
