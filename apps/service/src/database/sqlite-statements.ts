/** Prepared statements, kept for the next time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Statements kept; beyond, the one that was used least lately goes. */
const STATEMENTS_MAX = 500;
/** Longer ones have as many values as there are rows: they hardly come again. */
const STATEMENT_CHARACTERS_MAX = 4000;

interface Prepared {
  readonly statement: StatementSync;
  readonly hasRows: boolean;
}

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
    const made = { statement, hasRows: statement.columns().length > 0 };
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
const ENDING = /^\s*(?:rollback|savepoint|release|explain)\b/iu;
