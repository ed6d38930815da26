/**
 * Takes a repository out of the service whose storage is gone for good: its record with the copies that the catalogue has of it, its key in
 * the vault, and with them what keeps its encryption key from being deleted. A person says so, who types how many copies that are; a look into the
 * storage has failed; nothing uses it, and no retention lock holds any of the copies.
 *
 * Whoever finds the storage again reads it with the encryption key or the recovery kit, which are in it, too, and needs no service.
 *
 * @module
 */
import { AppError, type Clock, isAppError } from "@holdfast/kernel";
import type { RepositoryWriteOff, RepositoryWriteOffRequest } from "@holdfast/protocol";
import { z } from "zod";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { deviceFor } from "../maintenance/maintenance.ts";
import { checkUnlocked, lockedCopies } from "../policies/copy-lock.ts";
import { checkConfirmation, checkObstacles, dropRepository, usesOf } from "./drop-repository.ts";
import { findRepository, refOf, type RepositoryRow } from "./repositories.ts";

export interface WriteOffDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** What stands against it, and what would be gone. */
export async function writeOffOf(db: Db, clock: Pick<Clock, "now">, id: string): Promise<RepositoryWriteOff> {
  const row = await findRepository(db, id);
  const { storage } = await refOf(db, row);
  const { count, newest } = await copiesOf(db, id);
  const locked = await lockedCopies(db, clock, id);
  const obstacles = await usesOf(db, id);
  if (locked.size > 0) {
    const last = new Date(Math.max(...locked.values())).toISOString();
    obstacles.push(`${String(locked.size)} of its copies are locked, the last of them until ${last}.`);
  }
  if (!(await isOutOfReach(db, row))) {
    obstacles.push(
      `Nobody has failed to reach it since it was there last: POST /api/v1/repositories/${id}/copies looks, and has to fail.`,
    );
  }
  return {
    obstacles,
    copies: count,
    newestCopyAt: newest,
    consequence: `The service will know nothing any more of ${String(count)} copies in ${storage.location} in the storage ${storage.name}. Should it turn up again, the encryption key or the recovery kit opens it, without the service.`,
  };
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CONFIRMATION`, `ERR_RETENTION_LOCKED`, `ERR_IN_USE`. */
export async function writeOffRepository(
  { database, audit, clock }: WriteOffDependencies,
  actor: Actor,
  id: string,
  request: RepositoryWriteOffRequest,
): Promise<RepositoryWriteOff> {
  return database.transaction(async (transaction) => {
    const row = await findRepository(transaction, id);
    checkConfirmation(id, request.confirmation);
    await checkUnlocked(transaction, clock, id);
    const writeOff = await writeOffOf(transaction, clock, id);
    if (request.copies !== writeOff.copies) {
      throw new AppError(
        "ERR_CONFIRMATION",
        `The repository was not removed: ${String(writeOff.copies)} copies are known to be in it, and ${String(request.copies)} were said.`,
        { subject: id, remedy: "Look again which copies would be gone, and say how many they are." },
      );
    }
    checkObstacles(id, writeOff.obstacles);
    await dropRepository(transaction, id);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "repository.write-off",
      subject: { kind: "repository", id },
      details: {
        storage: row.storage_id,
        folder: row.folder,
        secret: row.secret_id,
        copies: writeOff.copies,
        newestCopyAt: writeOff.newestCopyAt,
      },
    });
    return writeOff;
  });
}

async function copiesOf(db: Db, id: string): Promise<{ count: number; newest: number | null }> {
  return db
    .selectFrom("copies")
    .select(({ fn }) => [fn.countAll<number>().as("count"), fn.max<number | null>("time").as("newest")])
    .where("repository_id", "=", id)
    .where("forgotten_at", "is", null)
    .executeTakeFirstOrThrow();
}

const failure = z.object({ code: z.string() });
/** Of a look: the storage, or the repository in it, is not there, or not readable. */
const LOST_CODE = /^ERR_(?:STORAGE_|REPOSITORY_MISSING$|DAMAGED$)/u;

/** A look has failed since anything succeeded there, or there is no device that could look. */
async function isOutOfReach(db: Db, { id }: RepositoryRow): Promise<boolean> {
  const reached = await db
    .selectFrom("tasks")
    .select(({ fn }) => fn.max<number | null>("ended_at").as("at"))
    .where((eb) =>
      eb.or([
        eb("repository_id", "=", id),
        eb.and([eb("kind", "=", "replicate"), eb("input", "like", `%${id}%`)]),
      ]),
    )
    .where("state", "in", ["succeeded", "warnings"])
    .executeTakeFirst();
  const looks = await db
    .selectFrom("tasks")
    .select("error")
    .where("repository_id", "=", id)
    .where("kind", "=", "copies")
    .where("state", "=", "failed")
    .where("ended_at", ">", reached?.at ?? 0)
    .execute();
  if (looks.some(({ error }) => LOST_CODE.test(codeIn(error)))) return true;
  return !(await hasDevice(db, id));
}

function codeIn(error: string | null): string {
  return failure.safeParse(JSON.parse(error ?? "null")).data?.code ?? "";
}

async function hasDevice(db: Db, id: string): Promise<boolean> {
  try {
    await deviceFor(db, id);
    return true;
  } catch (error) {
    if (isAppError(error, "ERR_NO_DEVICE")) return false;
    throw error;
  }
}
