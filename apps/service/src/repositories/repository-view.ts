// Repositories as the API shows them.
import type { Page, RepositoryView, repositoryQuery } from "@holdfast/protocol";
import type { z } from "zod";
import type { Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import type { MaintenanceKind } from "../maintenance/times.ts";
import { encryptionOf, refOf, type RepositoryRow } from "./repositories.ts";

export async function showRepository(db: Db, row: RepositoryRow): Promise<RepositoryView> {
  const encryption = encryptionOf(row.suite);
  const { storage } = await refOf(db, row);
  return {
    id: row.id,
    storage: row.storage_id,
    location: storage.location,
    encryption:
      encryption === null || row.secret_id === null ? null : { ...encryption, secret: row.secret_id },
    plans: await countPlans(db, row.id),
    copies: await countCopies(db, row.id),
    replicaOf: row.origin_id,
    createdAt: row.created_at,
    verification: await maintenanceOf(db, row.id, "verify"),
    fullVerification: await maintenanceOf(db, row.id, "verify-data"),
    retention: await maintenanceOf(db, row.id, "retention"),
    cleanUp: await maintenanceOf(db, row.id, "clean"),
  };
}

/** In the order of their ids. */
export async function listRepositories(
  db: Db,
  { limit, cursor, storage }: z.infer<typeof repositoryQuery>,
): Promise<Page<RepositoryView>> {
  let rows = db
    .selectFrom("repositories")
    .selectAll()
    .orderBy("id")
    .limit(limit + 1);
  const after = startAfter(cursor);
  if (after !== undefined) rows = rows.where("id", ">", after);
  if (storage !== undefined) rows = rows.where("storage_id", "=", storage);
  const page = nextPage(await rows.execute(), limit, ({ id }) => id);
  const items: RepositoryView[] = [];
  for (const row of page.items) items.push(await showRepository(db, row));
  return { ...page, items };
}

async function maintenanceOf(
  db: Db,
  id: string,
  kind: MaintenanceKind,
): Promise<RepositoryView["verification"]> {
  const row = await db
    .selectFrom("maintenance")
    .selectAll()
    .where("repository_id", "=", id)
    .where("kind", "=", kind)
    .executeTakeFirst();
  const everyDays = row?.every_days ?? 0;
  return {
    everyDays,
    nextAt: everyDays === 0 ? null : (row?.next_at ?? null),
    lastTask: row?.last_task_id ?? null,
  };
}

async function countPlans(db: Db, id: string): Promise<number> {
  const { count } = await db
    .selectFrom("plans")
    .select((query) => query.fn.countAll<number>().as("count"))
    .where("repository_id", "=", id)
    .executeTakeFirstOrThrow();
  return count;
}

async function countCopies(db: Db, id: string): Promise<number> {
  const { count } = await db
    .selectFrom("copies")
    .select((query) => query.fn.countAll<number>().as("count"))
    .where("repository_id", "=", id)
    .where("forgotten_at", "is", null)
    .executeTakeFirstOrThrow();
  return count;
}
