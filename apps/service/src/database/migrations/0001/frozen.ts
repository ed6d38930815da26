/**
 * What never changes, held by triggers on both databases (docs/security.md, sections 1 and 4).
 *
 * @module
 */
import type { Database } from "../../database.ts";
import { FROZEN_STATE } from "../../failures.ts";

export interface FrozenTable {
  readonly table: string;
  /** Columns that keep their value; `all`: every one. */
  readonly columns: readonly string[];
  /** Rows that stay: a condition on `OLD`. Absent: rows may be deleted. */
  readonly kept?: string;
}

const ALWAYS = "1 = 1";

export const FROZEN_TABLES: readonly FrozenTable[] = [
  {
    table: "vault_values",
    columns: ["object_kind", "object_id", "version", "field", "value_box", "created_at"],
    // With the whole secret its values may go.
    kept: `OLD.object_kind IN ('password', 'encryption-key')
      AND EXISTS (SELECT 1 FROM secrets WHERE secrets.id = OLD.object_id)`,
  },
  { table: "secrets", columns: ["id", "kind"] },
  // The repository follows the storage; foreign keys hold it to the same encryption key.
  { table: "plans", columns: ["id", "method", "level", "secret_id"] },
  { table: "repositories", columns: ["id", "storage_id", "suite", "secret_id"] },
  {
    table: "audit_rows",
    columns: [
      "number",
      "at",
      "actor_kind",
      "actor_id",
      "action",
      "subject_kind",
      "subject_id",
      "details",
      "hash",
    ],
    kept: ALWAYS,
  },
  { table: "audit_checkpoints", columns: ["number", "at", "hash", "signature"], kept: ALWAYS },
  {
    table: "secret_exposures",
    columns: ["id", "device_id", "object_kind", "object_id", "version", "run_id", "lease_id", "at"],
    kept: ALWAYS,
  },
];

export function frozenTriggers(kind: Database["kind"], table: FrozenTable): readonly string[] {
  return kind === "sqlite" ? sqliteTriggers(table) : postgresTriggers(table);
}

const changeMessage = ({ table, columns }: FrozenTable): string =>
  `${table}: ${columns.join(", ")} never change`;
const deleteMessage = ({ table }: FrozenTable): string => `${table}: this row is never deleted`;

function sqliteTriggers(frozen: FrozenTable): readonly string[] {
  const { table, columns, kept } = frozen;
  const changed = columns.map((column) => `OLD.${column} IS NOT NEW.${column}`).join(" OR ");
  const trigger = (event: string, condition: string, message: string): string =>
    `CREATE TRIGGER ${table}_frozen_${event} BEFORE ${event} ON ${table} WHEN ${condition}
      BEGIN SELECT RAISE(ABORT, '${message}'); END`;
  return [
    trigger("update", changed, changeMessage(frozen)),
    ...(kept === undefined ? [] : [trigger("delete", kept, deleteMessage(frozen))]),
  ];
}

const raise = (message: string): string => `RAISE EXCEPTION '${message}' USING ERRCODE = '${FROZEN_STATE}';`;

function postgresTriggers(frozen: FrozenTable): readonly string[] {
  const { table, columns, kept } = frozen;
  const changed = columns.map((column) => `OLD.${column} IS DISTINCT FROM NEW.${column}`).join(" OR ");
  const refuse = (name: string, body: string, result: string): string =>
    `CREATE FUNCTION ${table}_frozen_${name}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN ${body} ${result} END $$`;
  const trigger = (event: string, each: string): string =>
    `CREATE TRIGGER ${table}_frozen_${event} BEFORE ${event} ON ${table}
      FOR EACH ${each} EXECUTE FUNCTION ${table}_frozen_${event}()`;
  const update = `IF ${changed} THEN ${raise(changeMessage(frozen))} END IF;`;
  const statements = [refuse("update", update, "RETURN NEW;"), trigger("update", "ROW")];
  if (kept === undefined) return statements;
  const remove = `IF ${kept} THEN ${raise(deleteMessage(frozen))} END IF;`;
  return [
    ...statements,
    refuse("delete", remove, "RETURN OLD;"),
    trigger("delete", "ROW"),
    refuse("truncate", raise(deleteMessage(frozen)), "RETURN NULL;"),
    trigger("truncate", "STATEMENT"),
  ];
}
