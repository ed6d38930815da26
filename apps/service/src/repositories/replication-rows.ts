// Rows of replications, what they are behind with, and replications as the API shows them.
import { type Clock } from "@holdfast/kernel";
import { type Page, type replicationQuery, type ReplicationView, retentionPolicy } from "@holdfast/protocol";
import { decodeSchedule, describeSchedule, type Schedule } from "@holdfast/scheduling";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import type { ReplicationsTable } from "../database/tables.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import { copiesOf, decide, type DecidedCopy } from "../operations/retention.ts";
import { notListed } from "../resources.ts";
import { findRepository } from "./repositories.ts";

export type ReplicationRow = Selectable<ReplicationsTable>;

const plansText = z.array(z.string());

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findReplication(db: Db, id: string): Promise<ReplicationRow> {
  const row = await db.selectFrom("replications").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("replication", id);
}

export function scheduleOfReplication({ schedule }: ReplicationRow): Schedule | undefined {
  return schedule === null ? undefined : decodeSchedule(JSON.parse(schedule));
}

export function retentionOfReplication({
  retention,
}: ReplicationRow): z.infer<typeof retentionPolicy> | null {
  return retention === null ? null : retentionPolicy.parse(JSON.parse(retention));
}

export function plansOfReplication({ plans }: ReplicationRow): string[] {
  return plansText.parse(JSON.parse(plans));
}

/**
 * Copies of the source that the target never had, the oldest first; not those that the target's retention would forget at once,
 * and not those that it has forgotten.
 */
export async function missingCopies(
  db: Db,
  clock: Pick<Clock, "now">,
  row: ReplicationRow,
): Promise<string[]> {
  const plans = new Set(plansOfReplication(row));
  const rows = await db
    .selectFrom("copies")
    .select("id")
    .where("repository_id", "=", row.target_id)
    .execute();
  const known = new Set(rows.map(({ id }) => id));
  const source = await copiesOf(db, clock, { repositoryId: row.source_id });
  const missing = source.filter(
    ({ id, planId }) => !known.has(id) && (plans.size === 0 || (planId !== null && plans.has(planId))),
  );
  if (missing.length === 0) return [];
  const kept = await keptAtTarget(db, clock, row, missing);
  return missing
    .filter(({ id }) => kept.has(id))
    .toSorted((a, b) => a.timeMs - b.timeMs)
    .map(({ id }) => id);
}

async function keptAtTarget(
  db: Db,
  clock: Pick<Clock, "now">,
  row: ReplicationRow,
  missing: readonly DecidedCopy[],
): Promise<Set<string>> {
  const policy = retentionOfReplication(row);
  if (policy === null) return new Set(missing.map(({ id }) => id));
  const present = await copiesOf(db, clock, { repositoryId: row.target_id });
  const { keep } = decide([...present, ...missing], policy);
  return new Set(keep.map(({ copy }) => copy.id));
}

export async function showReplication(
  db: Db,
  clock: Pick<Clock, "now">,
  row: ReplicationRow,
): Promise<ReplicationView> {
  const schedule = scheduleOfReplication(row);
  const { storage_id: targetStorage } = await findRepository(db, row.target_id);
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    source: row.source_id,
    targetStorage,
    target: row.target_id,
    plans: plansOfReplication(row),
    schedule: row.schedule === null ? null : z.record(z.string(), z.json()).parse(JSON.parse(row.schedule)),
    scheduleText: schedule === undefined ? null : describeSchedule(schedule),
    afterBackup: row.after_backup === 1,
    retention: retentionOfReplication(row),
    device: row.device_id,
    enabled: row.enabled === 1,
    nextRunAt: row.enabled === 1 ? row.next_start_at : null,
    behind: (await missingCopies(db, clock, row)).length,
    lastTask: await lastTaskOf(db, row),
    createdAt: row.created_at,
    revision: row.revision,
  };
}

async function lastTaskOf(db: Db, row: ReplicationRow): Promise<ReplicationView["lastTask"]> {
  const task = await db
    .selectFrom("tasks")
    .select(["id", "state", "ended_at as endedAt"])
    .where("repository_id", "=", row.source_id)
    .where("kind", "=", "replicate")
    .where("input", "like", `%${row.target_id}%`)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return task ?? null;
}

/** By name. */
export async function listReplications(
  db: Db,
  clock: Pick<Clock, "now">,
  { limit, cursor, source }: z.infer<typeof replicationQuery>,
): Promise<Page<ReplicationView>> {
  let rows = db
    .selectFrom("replications")
    .selectAll()
    .orderBy("name")
    .limit(limit + 1);
  const after = startAfter(cursor);
  if (after !== undefined) rows = rows.where("name", ">", after);
  if (source !== undefined) rows = rows.where("source_id", "=", source);
  const page = nextPage(await rows.execute(), limit, ({ name }) => name);
  const items: ReplicationView[] = [];
  for (const row of page.items) items.push(await showReplication(db, clock, row));
  return { ...page, items };
}
