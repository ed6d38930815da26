// Rows of copies, and copies as the API shows them.
import { AppError } from "@holdfast/kernel";
import type { copyQuery, CopyView, Page } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
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
] as const;

function present(db: Db) {
  return db
    .selectFrom("copies")
    .innerJoin("repositories", "repositories.id", "copies.repository_id")
    .select([...COLUMNS])
    .where("copies.forgotten_at", "is", null);
}

type CopyRow = Awaited<ReturnType<ReturnType<typeof present>["executeTakeFirstOrThrow"]>>;

/** @throws AppError `ERR_NOT_FOUND`, also for a copy that was forgotten. */
export async function findCopy(db: Db, id: string): Promise<CopyRow> {
  const row = await present(db).where("copies.id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no copy ${id.slice(0, 12)}.`, {
    subject: id,
    remedy: "Look in the list of copies; retention may have let go of it.",
  });
}

export function showCopy(row: CopyRow): CopyView {
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
  };
}

/** Newest first. */
export async function listCopies(db: Db, query: z.infer<typeof copyQuery>): Promise<Page<CopyView>> {
  const { plan, device, repository, storage } = query;
  let rows = present(db)
    .orderBy("copies.time", "desc")
    .orderBy("copies.id", "desc")
    .limit(query.limit + 1);
  if (plan !== undefined) rows = rows.where("copies.plan_id", "=", plan);
  if (device !== undefined) rows = rows.where("copies.device_id", "=", device);
  if (repository !== undefined) rows = rows.where("copies.repository_id", "=", repository);
  if (storage !== undefined) rows = rows.where("repositories.storage_id", "=", storage);
  const after = startAfter(query.cursor);
  if (after !== undefined) {
    const [time = "", id = ""] = after.split(" ");
    rows = rows.where((expression) =>
      expression.or([
        expression("copies.time", "<", Number(time)),
        expression.and([expression("copies.time", "=", Number(time)), expression("copies.id", "<", id)]),
      ]),
    );
  }
  const page = nextPage(await rows.execute(), query.limit, ({ time, id }) => `${String(time)} ${id}`);
  return { ...page, items: page.items.map((row) => showCopy(row)) };
}
