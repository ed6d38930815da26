// Reading the audit log, newest rows first.
import type { AuditQuery, AuditRowView, Page } from "@holdfast/protocol";
import { auditRow } from "@holdfast/protocol";
import type { Selectable, SelectQueryBuilder } from "kysely";
import type { Db } from "../database/database.ts";
import type { AuditRowsTable, Tables } from "../database/tables.ts";
import { nextPage, startAfterNumber } from "../http/paging.ts";
import type { AuditRow } from "./chain.ts";

const detailsOf = auditRow.shape.details;

export async function listAudit(db: Db, query: AuditQuery): Promise<Page<AuditRowView>> {
  const before = startAfterNumber(query.cursor);
  let rows = db.selectFrom("audit_rows").selectAll();
  if (before !== undefined) rows = rows.where("number", "<", before);
  if (query.actorKind !== undefined) rows = rows.where("actor_kind", "=", query.actorKind);
  if (query.actor !== undefined) rows = rows.where("actor_id", "=", query.actor);
  if (query.subjectKind !== undefined) rows = rows.where("subject_kind", "=", query.subjectKind);
  if (query.subject !== undefined) rows = rows.where("subject_id", "=", query.subject);
  if (query.from !== undefined) rows = rows.where("at", ">=", query.from);
  if (query.to !== undefined) rows = rows.where("at", "<", query.to);
  const { action, limit } = query;
  const found =
    action?.endsWith(".") === true
      ? await newestOfPrefix(db, rows, action, limit + 1)
      : await newest(action === undefined ? rows : rows.where("action", "=", action), limit + 1);
  const page = nextPage(found, query.limit, (row) => String(row.number));
  const names = await namesOf(db, page.items);
  return { ...page, items: page.items.map((row) => show(row, names)) };
}

type AuditRows = SelectQueryBuilder<Tables, "audit_rows", Selectable<AuditRowsTable>>;

function newest(rows: AuditRows, count: number): Promise<AuditRow[]> {
  return rows.orderBy("number", "desc").limit(count).execute();
}

/** The newest of each action: those of all of them at once would have to be sorted. */
async function newestOfPrefix(db: Db, rows: AuditRows, prefix: string, count: number): Promise<AuditRow[]> {
  const found: AuditRow[] = [];
  for (const action of await actionsOf(db, prefix))
    found.push(...(await newest(rows.where("action", "=", action), count)));
  return found.toSorted((one, other) => other.number - one.number).slice(0, count);
}

/** From `secret.` to `secret/`, the next character in ASCII; each found by a look into the index. */
async function actionsOf(db: Db, prefix: string): Promise<string[]> {
  const actions: string[] = [];
  for (let last = prefix; ; ) {
    const next = await db
      .selectFrom("audit_rows")
      .select("action")
      .where("action", ">", last)
      .where("action", "<", `${prefix.slice(0, -1)}/`)
      .orderBy("action")
      .limit(1)
      .executeTakeFirst();
    if (next === undefined) return actions;
    actions.push(next.action);
    last = next.action;
  }
}

function show(row: AuditRow, names: ReadonlyMap<string, string>): AuditRowView {
  const name = names.get(row.actor_id);
  return {
    number: row.number,
    at: row.at,
    actor: { kind: row.actor_kind, id: row.actor_id, ...(name === undefined ? {} : { name }) },
    action: row.action,
    subject: { kind: row.subject_kind, id: row.subject_id },
    details: readDetails(row.details),
    hash: row.hash.toString("hex"),
  };
}

/** A row that somebody changed is shown as far as it can be: `verify` is what tells. */
function readDetails(text: string): AuditRowView["details"] {
  try {
    const parsed = detailsOf.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : {};
  } catch {
    return {};
  }
}

async function namesOf(db: Db, rows: readonly AuditRow[]): Promise<ReadonlyMap<string, string>> {
  const ids = (kind: AuditRow["actor_kind"]): string[] => [
    ...new Set(rows.filter((row) => row.actor_kind === kind).map((row) => row.actor_id)),
  ];
  const users = ids("user");
  const devices = ids("device");
  const found = [
    ...(users.length === 0
      ? []
      : await db.selectFrom("users").select(["id", "name"]).where("id", "in", users).execute()),
    ...(devices.length === 0
      ? []
      : await db.selectFrom("devices").select(["id", "name"]).where("id", "in", devices).execute()),
  ];
  return new Map(found.map(({ id, name }) => [id, name]));
}
