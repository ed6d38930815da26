// Rows of copies, and copies as the API shows them.
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import type { CopyFilter, copyQuery, CopySummary, CopyView, Page } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { nextPage, numberOfKey, startAfter } from "../http/paging.ts";
import { lockedUntil, type LockRules, lockRules } from "../policies/copy-lock.ts";
import { encryptionOf } from "../repositories/repositories.ts";
import { conditionsOf, IS_NEWEST } from "./copy-filter.ts";

const texts = z.array(z.string());

const COLUMNS = [
  "copies.id as id",
  "copies.repository_id as repositoryId",
  "copies.plan_id as planId",
  "copies.device_id as deviceId",
  "copies.time as time",
  "copies.host as host",
  "copies.kind as kind",
  "copies.paths as paths",
  "copies.tags as tags",
  "copies.size as size",
  "copies.files as files",
  "copies.stored as stored",
  "repositories.storage_id as storageId",
  "repositories.suite as suite",
  "repositories.origin_id as originId",
  "copies.lock_days as lockDays",
  "copies.recorded_at as recordedAt",
  "plans.lock_days as planLockDays",
] as const;

function present(db: Db) {
  return db
    .selectFrom("copies")
    .innerJoin("repositories", "repositories.id", "copies.repository_id")
    .leftJoin("plans", "plans.id", "copies.plan_id")
    .select([...COLUMNS])
    .where("copies.forgotten_at", "is", null);
}

export type CopyRow = Awaited<ReturnType<ReturnType<typeof present>["executeTakeFirstOrThrow"]>>;

/**
 * @param repositoryId where a replica has the copy as well. Default: where it was made, and a replica when it is there no more.
 * @throws AppError `ERR_NOT_FOUND`, also for a copy that was forgotten.
 */
export async function findCopy(db: Db, id: string, repositoryId?: string): Promise<CopyRow> {
  const rows = await present(db).where("copies.id", "=", id).orderBy("copies.repository_id").execute();
  const row =
    repositoryId === undefined
      ? (rows.find(({ originId }) => originId === null) ?? rows[0])
      : rows.find((candidate) => candidate.repositoryId === repositoryId);
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no copy ${id.slice(0, 12)}.`, {
    subject: id,
    remedy: "Look in the list of copies; retention may have let go of it.",
  });
}

export function showCopy(row: CopyRow, rules: LockRules): CopyView {
  return {
    id: row.id,
    repository: row.repositoryId,
    storage: row.storageId,
    plan: row.planId,
    device: row.deviceId,
    time: row.time,
    host: row.host,
    kind: row.kind,
    paths: texts.parse(JSON.parse(row.paths)),
    tags: texts.parse(JSON.parse(row.tags)),
    size: row.size,
    files: row.files,
    stored: row.stored,
    encryption: encryptionOf(row.suite),
    isReplica: row.originId !== null,
    lockedUntil: lockedUntil(row, rules),
  };
}

type CopyQuery = z.infer<typeof copyQuery>;

/** Newest first. */
export async function listCopies(
  db: Db,
  query: CopyQuery,
  clock: Pick<Clock, "now"> = systemClock,
): Promise<Page<CopyView>> {
  const rows: CopyRow[] = [];
  for (const one of await orderedQueries(db, query)) {
    rows.push(
      ...(await newest(db, one)
        .limit(query.limit + 1)
        .execute()),
    );
  }
  const page = nextPage(
    rows.toSorted(newestFirst),
    query.limit,
    ({ time, id, repositoryId }) => `${String(time)} ${id} ${repositoryId}`,
  );
  const rules = await lockRules(db, clock);
  return { ...page, items: page.items.map((row) => showCopy(row, rules)) };
}

/** An index has the copies of one repository in this order, not those of a storage: its repositories are looked at one by one. */
async function orderedQueries(db: Db, query: CopyQuery): Promise<CopyQuery[]> {
  const { plan, device, repository, storage } = query;
  if (storage === undefined || (plan ?? device ?? repository) !== undefined) return [query];
  const repositories = await db
    .selectFrom("repositories")
    .select("id")
    .where("storage_id", "=", storage)
    .execute();
  return repositories.map(({ id }) => ({ ...query, repository: id }));
}

function newest(db: Db, query: CopyQuery) {
  const rows = present(db)
    .where((expression) => expression.and(conditionsOf(query)))
    .$if(query.newest === true, (all) => all.where(IS_NEWEST))
    .orderBy("copies.time", "desc")
    .orderBy("copies.id", "desc")
    .orderBy("copies.repository_id", "desc");
  const after = startAfter(query.cursor);
  if (after === undefined) return rows;
  const [first = "", id = "", repositoryId = ""] = after.split(" ");
  const time = numberOfKey(first);
  // The first condition says to the index where to begin.
  return rows
    .where("copies.time", "<=", time)
    .where((expression) =>
      expression.or([
        expression("copies.time", "<", time),
        expression("copies.id", "<", id),
        expression.and([
          expression("copies.id", "=", id),
          expression("copies.repository_id", "<", repositoryId),
        ]),
      ]),
    );
}

function newestFirst(one: CopyRow, other: CopyRow): number {
  if (one.time !== other.time) return other.time - one.time;
  const [first, second] = [one, other].map(({ id, repositoryId }) => `${id} ${repositoryId}`);
  return (first ?? "") < (second ?? "") ? 1 : -1;
}

/** The newest copies that fit. */
export async function newestCopies(db: Db, filter: CopyFilter, countMax: number): Promise<CopyRow[]> {
  return present(db)
    .where((expression) => expression.and(conditionsOf(filter)))
    .orderBy("copies.time", "desc")
    .orderBy("copies.id", "desc")
    .limit(countMax)
    .execute();
}

export async function summarizeCopies(db: Db, filter: CopyFilter): Promise<CopySummary> {
  const { copies, size, files, stored, oldest, newestTime } = await present(db)
    .where((expression) => expression.and(conditionsOf(filter)))
    .clearSelect()
    .select(({ fn }) => [
      fn.countAll<number>().as("copies"),
      fn.sum<number | string | null>("copies.size").as("size"),
      fn.sum<number | string | null>("copies.files").as("files"),
      fn.sum<number | string | null>("copies.stored").as("stored"),
      fn.min("copies.time").as("oldest"),
      fn.max("copies.time").as("newestTime"),
    ])
    .executeTakeFirstOrThrow();
  // PostgreSQL sums into numerics, which come as texts; of no rows the sum is null.
  return {
    copies,
    size: Number(size ?? 0),
    files: Number(files ?? 0),
    stored: Number(stored ?? 0),
    oldest,
    newest: newestTime,
  };
}
