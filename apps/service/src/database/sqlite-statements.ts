/** Prepared statements, kept for the next time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Statements kept; beyond, the one that was used least lately goes. */
const STATEMENTS_MAX = 500;
/** Longer ones have as many values as there are rows: they hardly come again. */
const STATEMENT_CHARACTERS_MAX = 4000;

interface Prepared {
  readonly statement: StatementSync;
  /** Of the rows that it answers, which come as arrays; undefined: it has none. */
  readonly columns: readonly string[] | undefined;
  /** Whether it changes anything: not at all, as many rows as it says, or other things. */
  readonly changes: Changes;
}

export type Changes = "none" | "rows" | "other";

/** To prepare a statement takes longer than to carry it out: 29 of 30 microseconds for a look at one row. */
export class SqliteStatements {
  readonly #database: DatabaseSync;
  readonly #kept = new Map<string, Prepared>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(text: string): Prepared {
    const kept = this.#kept.get(text);
    if (kept !== undefined) {
      // To the end of the order of insertion.
      this.#kept.delete(text);
      this.#kept.set(text, kept);
      return kept;
    }
    const statement = this.#database.prepare(text);
    const columns = statement.columns().map(({ name }) => name);
    if (columns.length > 0) statement.setReturnArrays(true);
    const made = {
      statement,
      columns: columns.length > 0 ? columns : undefined,
      changes: changesOf(text),
    };
    if (!KEPT.test(text)) {
      // It may change tables that others look at.
      if (!ENDING.test(text)) this.#kept.clear();
    } else if (text.length <= STATEMENT_CHARACTERS_MAX) {
      this.#kept.set(text, made);
      if (this.#kept.size > STATEMENTS_MAX) this.#kept.delete(this.#kept.keys().next().value ?? "");
    }
    return made;
  }
}

/** What neither changes tables nor depends on what was done before. */
const KEPT = /^\s*(?:select|insert|update|delete|with|begin|commit)\b/iu;
const ENDING = /^\s*(?:rollback|savepoint|release|explain|pragma\s+wal_checkpoint)\b/iu;
/** What leaves nothing that would have to come to the disk: a `commit` only ends what others have written. */
const READING = /^\s*(?:select|begin|commit|rollback|savepoint|release|explain|pragma\s+wal_checkpoint)\b/iu;
const CHANGING = /^\s*(?:insert|update|delete)\b/iu;

function changesOf(text: string): Changes {
  if (READING.test(text)) return "none";
  return CHANGING.test(text) ? "rows" : "other";
}
