// Finding, listing and showing secrets: everything but values.
import { AppError } from "@holdfast/kernel";
import type { Page, SecretKind, SecretQuery, SecretView } from "@holdfast/protocol";
import { sql } from "kysely";
import type { Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import type { SecretRow } from "./secret-values.ts";

const KIND_NAMES: Readonly<Record<SecretKind, string>> = {
  password: "password",
  "encryption-key": "encryption key",
};

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findSecret(db: Db, id: string): Promise<SecretRow> {
  const row = await db.selectFrom("secrets").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no secret ${id} in the Password Manager.`, {
    subject: id,
    remedy: "Look in the list of secrets.",
  });
}

/**
 * @param remedy what to do when there is none.
 * @throws AppError `ERR_NOT_FOUND` also for an encryption key.
 */
export async function checkStoredPassword(db: Db, id: string, remedy: string): Promise<void> {
  const row = await db.selectFrom("secrets").select("kind").where("id", "=", id).executeTakeFirst();
  if (row?.kind !== "password") throw noPassword(id, remedy);
}

export function noPassword(id: string, remedy: string): AppError {
  return new AppError("ERR_NOT_FOUND", `There is no password ${id} in the Password Manager.`, {
    subject: id,
    remedy,
  });
}

export async function listSecrets(db: Db, query: SecretQuery): Promise<Page<SecretView>> {
  const after = startAfter(query.cursor);
  let rows = db.selectFrom("secrets").selectAll();
  if (after !== undefined) rows = rows.where("name", ">", after);
  if (query.kind !== undefined) rows = rows.where("kind", "=", query.kind);
  if (query.name !== undefined) {
    const part = query.name.toLowerCase().replaceAll(/[\\%_]/gu, String.raw`\$&`);
    rows = rows.where(sql<boolean>`lower(name) like ${`%${part}%`} escape '\\'`);
  }
  const found = await rows
    .orderBy("name")
    .limit(query.limit + 1)
    .execute();
  const page = nextPage(found, query.limit, (row) => row.name);
  return { ...page, items: page.items.map(showSecret) };
}

export function showSecret(row: SecretRow): SecretView {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    description: row.description,
    hint: row.hint,
    version: row.current_version,
    generated: row.generated === 1,
    disabled: row.disabled === 1,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    revision: row.revision,
  };
}

/** @throws AppError `ERR_NAME_TAKEN`. */
export async function checkNameFree(db: Db, name: string, id: string): Promise<void> {
  const other = db.selectFrom("secrets").select("id").where("name", "=", name).where("id", "!=", id);
  if ((await other.executeTakeFirst()) === undefined) return;
  throw new AppError("ERR_NAME_TAKEN", `The Password Manager has something called ${name} already.`, {
    subject: name,
    remedy: "Choose another name.",
  });
}

/** For messages: "the encryption key Office". */
export function nameSecret(row: SecretRow): string {
  return `${KIND_NAMES[row.kind]} ${row.name}`;
}
