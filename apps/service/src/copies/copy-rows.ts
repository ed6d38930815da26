// Rows of copies, and copies as the API shows them.
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import type { copyQuery, CopyView, Page } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { nextPage, numberOfKey, startAfter } from "../http/paging.ts";
import { lockedUntil, type LockRules, lockRules } from "../policies/copy-lock.ts";
import { encryptionOf } from "../repositories/repositories.ts";

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

type CopyRow = Awaited<ReturnType<ReturnType<typeof present>["executeTakeFirstOrThrow"]>>;

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

/** Newest first. */
export async function listCopies(
  db: Db,
  query: z.infer<typeof copyQuery>,
  clock: Pick<Clock, "now"> = systemClock,
): Promise<Page<CopyView>> {
  const { plan, device, repository, storage } = query;
  let rows = present(db)
    .orderBy("copies.time", "desc")
    .orderBy("copies.id", "desc")
    .orderBy("copies.repository_id", "desc")
    .limit(query.limit + 1);
  if (plan !== undefined) rows = rows.where("copies.plan_id", "=", plan);
  if (device !== undefined) rows = rows.where("copies.device_id", "=", device);
  if (repository !== undefined) rows = rows.where("copies.repository_id", "=", repository);
  if (storage !== undefined) rows = rows.where("repositories.storage_id", "=", storage);
  const after = startAfter(query.cursor);
  if (after !== undefined) {
    const [first = "", id = "", repositoryId = ""] = after.split(" ");
    const time = numberOfKey(first);
    rows = rows.where((expression) =>
      expression.or([
        expression("copies.time", "<", time),
        expression.and([expression("copies.time", "=", time), expression("copies.id", "<", id)]),
        expression.and([
          expression("copies.time", "=", time),
          expression("copies.id", "=", id),
          expression("copies.repository_id", "<", repositoryId),
        ]),
      ]),
    );
  }
  const page = nextPage(
    await rows.execute(),
    query.limit,
    ({ time, id, repositoryId }) => `${String(time)} ${id} ${repositoryId}`,
  );
  const rules = await lockRules(db, clock);
  return { ...page, items: page.items.map((row) => showCopy(row, rules)) };
}
