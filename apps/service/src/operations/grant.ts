/**
 * What a task is given: the credentials of its storages, and the smallest capability that does its work (docs/security.md,
 * section 2). Computed from the task alone.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type { LeasePayload, TaskKind } from "@holdfast/protocol";
import type { Capability } from "@holdfast/repository";
import type { Db } from "../database/database.ts";
import { checkUnlocked } from "../policies/copy-lock.ts";
import { leaseCapability } from "../repositories/capability.ts";
import { findRepository } from "../repositories/repositories.ts";
import type { Vault } from "../secrets/vault.ts";
import { credentialsOf } from "../storages/storage-credentials.ts";
import { findStorage } from "../storages/storage-rows.ts";
import type { Exposure, Grant, TaskRow } from "../tasks/task-kinds.ts";
import { taskInputs } from "./inputs.ts";
import { proposedFor } from "./proposed.ts";

export interface GrantPorts {
  readonly vault: Vault;
  readonly clock: Pick<Clock, "now">;
}

const CAPABILITIES: Readonly<Record<TaskKind, Capability | undefined>> = {
  "storage.test": undefined,
  backup: "write",
  copies: "read",
  restore: "read",
  verify: "read",
  forget: "maintain",
  clean: "maintain",
  replicate: "maintain",
  browse: "read",
  search: "read",
  versions: "read",
  compare: "read",
  download: "read",
};

/** Undefined where every object is checked without a key. */
function capabilityOf(task: TaskRow): Capability | undefined {
  if (task.kind === "verify") {
    const { readData, copies } = taskInputs.verify.parse(JSON.parse(task.input));
    // What a copy refers to shows to a key only.
    if (!readData && copies.length === 0) return undefined;
  }
  return CAPABILITIES[kindOf(task)];
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_SECRET_DISABLED`, `ERR_VAULT_DAMAGED`, `ERR_RETENTION_LOCKED`. */
export async function grantFor(db: Db, { vault, clock }: GrantPorts, task: TaskRow): Promise<Grant> {
  await checkForget(db, clock, task);
  const storages: LeasePayload["storages"] = {};
  const exposures: Exposure[] = [];
  const description: string[] = [];
  for (const id of await storageIdsOf(db, task)) {
    const storage = await findStorage(db, id);
    const proposed = await proposedFor(db, task, storage, clock.now());
    const leased = await credentialsOf(db, vault, storage, proposed);
    storages[id] = leased.credentials;
    exposures.push(...leased.exposures);
    description.push(`storage ${id}`, ...(proposed === undefined ? [] : [`value ${proposed.proposalId}`]));
  }
  const capability = capabilityOf(task);
  const { repository_id: repositoryId } = task;
  if (capability === undefined || repositoryId === null)
    return { payload: { storages }, exposures, description };
  await checkKeyEnabled(db, repositoryId);
  const repository = await leaseCapability(db, vault, repositoryId, capability);
  exposures.push({ kind: "repository", id: repositoryId, version: 1 });
  description.push(`${capability} repository ${repositoryId}`);
  return { payload: { storages, repository }, exposures, description };
}

/** The last moment: nothing that is locked is deleted, whatever was locked since the task was made, and whoever made it. */
async function checkForget(db: Db, clock: Pick<Clock, "now">, task: TaskRow): Promise<void> {
  if (task.kind !== "forget" || task.repository_id === null) return;
  const { copies } = taskInputs.forget.parse(JSON.parse(task.input));
  await checkUnlocked(db, clock, task.repository_id, copies);
}

async function storageIdsOf(db: Db, task: TaskRow): Promise<Set<string>> {
  const ids = new Set<string>();
  if (task.repository_id !== null) ids.add((await findRepository(db, task.repository_id)).storage_id);
  else if (task.storage_id !== null) ids.add(task.storage_id);
  if (task.kind === "replicate") {
    const { target } = taskInputs.replicate.parse(JSON.parse(task.input));
    ids.add((await findRepository(db, target)).storage_id);
  }
  return ids;
}

async function checkKeyEnabled(db: Db, repositoryId: string): Promise<void> {
  const key = await db
    .selectFrom("repositories")
    .innerJoin("secrets", "secrets.id", "repositories.secret_id")
    .select(["secrets.id", "secrets.name", "secrets.disabled"])
    .where("repositories.id", "=", repositoryId)
    .executeTakeFirst();
  if (key?.disabled !== 1) return;
  throw new AppError("ERR_SECRET_DISABLED", `The encryption key ${key.name} is disabled.`, {
    subject: key.id,
    remedy: "Enable it in the Password Manager: nothing that it protects is read or written meanwhile.",
  });
}

function isTaskKind(kind: string): kind is TaskKind {
  return Object.hasOwn(CAPABILITIES, kind);
}

function kindOf(task: TaskRow): TaskKind {
  const { kind } = task;
  if (isTaskKind(kind)) return kind;
  throw new AppError("ERR_UNSUPPORTED", `Tasks of the kind ${task.kind} are not known.`, {
    subject: task.id,
  });
}
