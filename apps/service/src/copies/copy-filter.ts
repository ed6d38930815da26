/**
 * Which rows of copies a filter means.
 *
 * @module
 */
import type { CopyFilter } from "@holdfast/protocol";
import { type RawBuilder, sql, type SqlBool } from "kysely";

type Condition = RawBuilder<SqlBool>;

/** Conditions on `copies`, joined with `repositories`. */
export function conditionsOf(filter: CopyFilter): Condition[] {
  const { plan, device, repository, storage, kind, since, until, tag, text } = filter;
  return [
    ...(plan === undefined ? [] : [sql<SqlBool>`copies.plan_id = ${plan}`]),
    ...(device === undefined ? [] : [sql<SqlBool>`copies.device_id = ${device}`]),
    ...(repository === undefined ? [] : [sql<SqlBool>`copies.repository_id = ${repository}`]),
    ...(storage === undefined ? [] : [sql<SqlBool>`repositories.storage_id = ${storage}`]),
    ...(kind === undefined ? [] : [sql<SqlBool>`copies.kind = ${kind}`]),
    ...(since === undefined ? [] : [sql<SqlBool>`copies.time >= ${since}`]),
    ...(until === undefined ? [] : [sql<SqlBool>`copies.time < ${until}`]),
    ...(tag === undefined ? [] : [hasTag(tag)]),
    ...(text === undefined ? [] : [hasText(text)]),
  ];
}

/** In its repository there is none later of the same device (or, without one, host) and plan. */
export const IS_NEWEST: Condition = sql<SqlBool>`not exists (
  select 1 from copies as later
  where later.repository_id = copies.repository_id
    and later.forgotten_at is null
    and (later.time > copies.time or (later.time = copies.time and later.id > copies.id))
    and coalesce(later.plan_id, '') = coalesce(copies.plan_id, '')
    and coalesce(later.device_id, later.host) = coalesce(copies.device_id, copies.host))`;

/** Tags are a list in JSON: a quote inside of one has a backslash before it, so that only whole tags are found. */
function hasTag(tag: string): Condition {
  return sql<SqlBool>`copies.tags like ${containing(JSON.stringify(tag))} escape '\\'`;
}

function hasText(text: string): Condition {
  const plain = containing(text);
  const json = containing(JSON.stringify(text).slice(1, -1));
  const id = sql<SqlBool>`copies.id like ${`${escaped(text.toLowerCase())}%`} escape '\\'`;
  return sql<SqlBool>`(${like("copies.host", plain)} or ${like("copies.paths", json)} or ${like("copies.tags", json)} or ${id}
    or exists (select 1 from plans as named_plans where named_plans.id = copies.plan_id and ${like("named_plans.name", plain)})
    or exists (select 1 from devices as named_devices where named_devices.id = copies.device_id and ${like("named_devices.name", plain)}))`;
}

function like(column: string, pattern: string): Condition {
  return sql<SqlBool>`lower(${sql.ref(column)}) like lower(${pattern}) escape '\\'`;
}

function containing(text: string): string {
  return `%${escaped(text)}%`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\%_]/gu, String.raw`\$&`);
}
