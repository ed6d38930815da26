/**
 * Takes a repository out of the service: its record, its keys in the vault, and with them what keeps its encryption key from being
 * deleted. Only when no copy is left: neither in the catalogue nor, as a look there has shown, in the storage. What lies in the storage is
 * not touched.
 *
 * @module
 */
import type { RepositoryRemoval } from "@holdfast/protocol";
import { taskResults } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { checkConfirmation, checkObstacles, dropRepository, usesOf } from "./drop-repository.ts";
import { findRepository, refOf, type RepositoryRow } from "./repositories.ts";

/** What stands against it, each as a sentence, and what would stay in the storage. */
export async function removalOf(db: Db, id: string): Promise<RepositoryRemoval> {
  const row = await findRepository(db, id);
  const { storage } = await refOf(db, row);
  return {
    obstacles: await obstaclesOf(db, row),
    remains: `The folder ${storage.location} in the storage ${storage.name} stays as it is: its config and key slots, and what the last clean-up left. Delete it there when nothing else needs it.`,
  };
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CONFIRMATION`, `ERR_IN_USE`. */
export async function removeRepository(
  { database, audit }: { readonly database: Database; readonly audit: AuditLog },
  actor: Actor,
  id: string,
  confirmation: string,
): Promise<RepositoryRemoval> {
  return database.transaction(async (transaction) => {
    const row = await findRepository(transaction, id);
    checkConfirmation(id, confirmation);
    const removal = await removalOf(transaction, id);
    checkObstacles(id, removal.obstacles);
    await dropRepository(transaction, id);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "repository.remove",
      subject: { kind: "repository", id },
      details: { storage: row.storage_id, folder: row.folder, secret: row.secret_id },
    });
    return removal;
  });
}

async function obstaclesOf(db: Db, { id }: RepositoryRow): Promise<string[]> {
  const obstacles = await usesOf(db, id);
  const copies = await db
    .selectFrom("copies")
    .select("id")
    .where("repository_id", "=", id)
    .where("forgotten_at", "is", null)
    .execute();
  if (copies.length > 0) obstacles.push(`${String(copies.length)} copies are in it.`);
  else if (!(await isKnownEmpty(db, id))) {
    obstacles.push(
      `Nobody has looked into the storage since it was written to: POST /api/v1/repositories/${id}/copies does.`,
    );
  }
  return obstacles;
}

/** The catalogue may not know of a copy: the storage was looked at after the last backup, and there was none. */
async function isKnownEmpty(db: Db, id: string): Promise<boolean> {
  const look = await db
    .selectFrom("tasks")
    .select(["result", "started_at"])
    .where("repository_id", "=", id)
    .where("kind", "=", "copies")
    .where("state", "=", "succeeded")
    .orderBy("started_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (look?.result === undefined || look.result === null)
    return !(await hadCopies(db, id)) && !(await wasWritten(db, id, 0));
  const { copies, complete } = taskResults.copies.parse(JSON.parse(look.result));
  return complete && copies.length === 0 && !(await wasWritten(db, id, look.started_at ?? 0));
}

async function hadCopies(db: Db, id: string): Promise<boolean> {
  const some = db.selectFrom("copies").select("id").where("repository_id", "=", id).limit(1);
  return (await some.executeTakeFirst()) !== undefined;
}

/** By a task that ended after this time, whatever came of it. */
async function wasWritten(db: Db, id: string, since: number): Promise<boolean> {
  const task = await db
    .selectFrom("tasks")
    .select("id")
    .where((eb) =>
      eb.or([
        eb.and([eb("kind", "=", "backup"), eb("repository_id", "=", id)]),
        eb.and([eb("kind", "=", "replicate"), eb("input", "like", `%${id}%`)]),
      ]),
    )
    .where("started_at", "is not", null)
    .where((eb) => eb.or([eb("ended_at", "is", null), eb("ended_at", ">", since)]))
    .limit(1)
    .executeTakeFirst();
  return task !== undefined;
}
