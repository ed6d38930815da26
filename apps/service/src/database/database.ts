// What every domain knows of the database.
import type { Kysely, Transaction as KyselyTransaction } from "kysely";
import type { Tables } from "./tables.ts";

/** For queries; a {@link Transaction} is one too. */
export type Db = Kysely<Tables>;
export type Transaction = KyselyTransaction<Tables>;

export interface Database extends AsyncDisposable {
  readonly kind: "sqlite" | "postgres";
  readonly db: Db;
  /** Runs `work` in one transaction: serializable on PostgreSQL, repeated when it lost against another one. */
  readonly transaction: <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;
  /** Resolves when everything is on the disk that was to be read by now. Whoever has written has waited for that already. */
  readonly settled: () => Promise<void>;
  /**
   * Tells all processes of the service that something of this topic has changed; they look for themselves what. An absent database is told
   * later: what has changed has changed, and nobody is to repeat it for this.
   */
  readonly notify: (topic: Topic) => Promise<void>;
  /** Called after {@link notify} of any process, this one too. Returns how to stop it. */
  readonly listen: (topic: Topic, listener: () => void) => () => void;
}

export type Topic = "tasks" | "devices" | "live";
