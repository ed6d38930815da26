// Reading and showing rows of storages.
import type { StorageView } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import type { StoragesTable } from "../database/tables.ts";
import { notListed } from "../resources.ts";

export type StorageRow = Selectable<StoragesTable>;

const texts = z.record(z.string(), z.string());

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findStorage(db: Db, id: string): Promise<StorageRow> {
  const row = await db.selectFrom("storages").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("storage", id);
}

/** What is not secret of the credentials, by name. */
export function identityOf(row: StorageRow): Readonly<Record<string, string>> {
  return texts.parse(JSON.parse(row.identity));
}

/** Ids of passwords, by name of the credential. */
export function secretsOf(row: StorageRow): Readonly<Record<string, string>> {
  return texts.parse(JSON.parse(row.secrets));
}

export async function showStorage(db: Db, row: StorageRow): Promise<StorageView> {
  const { repositories } = await db
    .selectFrom("repositories")
    .select((query) => query.fn.countAll<number>().as("repositories"))
    .where("storage_id", "=", row.id)
    .executeTakeFirstOrThrow();
  const { copies, stored } = await db
    .selectFrom("copies")
    .innerJoin("repositories", "repositories.id", "copies.repository_id")
    .select((query) => [
      query.fn.countAll<number>().as("copies"),
      query.fn.sum<number | string | null>("copies.stored").as("stored"),
    ])
    .where("repositories.storage_id", "=", row.id)
    .where("copies.forgotten_at", "is", null)
    .executeTakeFirstOrThrow();
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    location: row.location,
    identity: identityOf(row),
    secrets: secretsOf(row),
    repositories,
    copies,
    storedBytes: Number(stored ?? 0),
    free: row.free_bytes === null || row.free_at === null ? null : { bytes: row.free_bytes, at: row.free_at },
    createdAt: row.created_at,
    revision: row.revision,
  };
}
