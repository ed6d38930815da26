/**
 * What may be done with plans. Encryption is decided once: a saved plan never changes its switch, method, level or key.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import {
  type Encryption,
  type NewPlan,
  newPlan,
  type PlanChange,
  type PlanClone,
  type PlanView,
} from "@holdfast/protocol";
import { decodeSchedule } from "@holdfast/scheduling";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Transaction } from "../database/database.ts";
import { checkDevices } from "../devices/device-rows.ts";
import type { Actor } from "../http/route.ts";
import { leaveLockToCopies } from "../policies/retention-lock.ts";
import { prepareFor, type RepositoryDependencies } from "../repositories/repositories.ts";
import { checkNameFree } from "../resources.ts";
import { findStorage } from "../storages/storage-rows.ts";
import { checkRevision } from "../http/conditions.ts";
import { cancelBackupsOfPlan, cancelTasksOfPlan } from "../tasks/revocation.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { checkBandwidth } from "./bandwidth.ts";
import { encryptionOfPlan, findPlan, type PlanRow, retriesOf } from "./plan-rows.ts";
import { setDevices } from "./plan-times.ts";
import { showPlan } from "./plan-views.ts";

export interface PlanDependencies extends RepositoryDependencies {
  readonly audit: AuditLog;
}

/** @throws AppError `ERR_NAME_TAKEN`, `ERR_USAGE` (schedule), `ERR_NOT_FOUND`, `ERR_FORBIDDEN`, `ERR_SECRET_DISABLED`. */
export async function createPlan(
  dependencies: PlanDependencies,
  actor: Actor,
  given: NewPlan,
  clonedFrom?: string,
): Promise<PlanView> {
  const { database, audit, clock } = dependencies;
  if (given.encryption !== null) checkUse(actor);
  const schedule = given.schedule === null ? undefined : decodeSchedule(given.schedule);
  checkBandwidth(given.bandwidth);
  await findStorage(database.db, given.storage);
  using prepared = await prepareFor(dependencies, {
    storageId: given.storage,
    encryption: given.encryption,
  });
  const id = newId("plan", clock);
  return await database.transaction(async (transaction) => {
    await checkNameFree(transaction, "plan", given.name, id);
    await checkDevices(transaction, given.devices);
    const repository = await prepared.insert(transaction);
    await transaction
      .insertInto("plans")
      .values({
        id,
        ...columnsOf(given),
        storage_id: given.storage,
        repository_id: repository,
        method: given.encryption?.method ?? null,
        level: given.encryption?.level ?? null,
        secret_id: given.encryption?.secret ?? null,
        lock_days: given.lockDays,
        created_at: clock.now(),
        created_by: actor.userId,
        revision: 1,
      })
      .execute();
    await setDevices(transaction, given.devices, { planId: id, schedule, now: clock.now() });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: clonedFrom === undefined ? "plan.create" : "plan.clone",
      subject: { kind: "plan", id },
      details: {
        name: given.name,
        repository,
        secret: given.encryption?.secret ?? null,
        lockDays: given.lockDays,
        ...(clonedFrom === undefined ? {} : { clonedFrom }),
      },
    });
    return showPlan(transaction, await findPlan(transaction, id));
  });
}

/** @throws AppError as {@link createPlan}, `ERR_PLAN_ENCRYPTION_FIXED`, `ERR_CHANGED_MEANWHILE`. */
export async function changePlan(
  dependencies: PlanDependencies & { readonly queue: TaskQueue },
  actor: Actor,
  id: string,
  change: PlanChange,
  ifMatch: number | undefined,
): Promise<PlanView> {
  const { database, audit, clock } = dependencies;
  const before = await findPlan(database.db, id);
  checkEncryptionKept(before, change.encryption);
  const encryption = encryptionOfPlan(before);
  using prepared = await prepareFor(dependencies, {
    storageId: change.storage ?? before.storage_id,
    encryption,
  });
  const changed = await database.transaction(async (transaction) => {
    const row = await findPlan(transaction, id);
    checkRevision(row, ifMatch);
    if (change.name !== undefined) await checkNameFree(transaction, "plan", change.name, id);
    if (change.devices !== undefined) await checkDevices(transaction, change.devices);
    const shown = await showPlan(transaction, row);
    const wanted = newPlan.parse({ ...shown, ...givenFields(change), encryption });
    checkBandwidth(wanted.bandwidth);
    await transaction
      .updateTable("plans")
      .set({
        ...columnsOf(wanted),
        storage_id: wanted.storage,
        repository_id: await prepared.insert(transaction),
        revision: row.revision + 1,
      })
      .where("id", "=", id)
      .execute();
    const schedule = wanted.schedule === null ? undefined : decodeSchedule(wanted.schedule);
    await setDevices(transaction, wanted.devices, { planId: id, schedule, now: clock.now() });
    const cancelled = await switchedOff(dependencies, transaction, row, {
      ...change,
      enabled: wanted.enabled,
    });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "plan.change",
      subject: { kind: "plan", id },
      details: {
        fields: Object.keys(givenFields(change)),
        ...(cancelled.length === 0 ? {} : { cancelled }),
      },
    });
    return showPlan(transaction, await findPlan(transaction, id));
  });
  await database.notify("tasks");
  return changed;
}

/** Backups of a plan that is switched off do not begin any more; those that run end if that is wanted. @returns what was cancelled. */
async function switchedOff(
  { queue }: { readonly queue: TaskQueue },
  transaction: Transaction,
  row: PlanRow,
  { enabled, running }: PlanChange,
): Promise<string[]> {
  if (row.enabled === 0 || enabled === true) return [];
  const cancelled = await cancelBackupsOfPlan(queue, transaction, row.id, {
    reason: `The plan ${row.name} was switched off.`,
    states: running === "cancel" ? ["queued", "running"] : ["queued"],
  });
  // What runs is not tried again.
  await transaction
    .updateTable("tasks")
    .set({ start_before: 0 })
    .where("plan_id", "=", row.id)
    .where("kind", "=", "backup")
    .where("state", "=", "running")
    .execute();
  return cancelled;
}

/** A new plan like another one; the only way to other encryption. */
export async function clonePlan(
  dependencies: PlanDependencies,
  actor: Actor,
  id: string,
  change: PlanClone,
): Promise<PlanView> {
  const { db } = dependencies.database;
  const original = await showPlan(db, await findPlan(db, id));
  const { encryption = original.encryption } = change;
  return createPlan(
    dependencies,
    actor,
    newPlan.parse({ ...original, ...givenFields(change), encryption }),
    id,
  );
}

/** Its copies stay, with its retention lock; so do the repository and its keys. What waits or runs of it is cancelled. */
export async function deletePlan(
  dependencies: PlanDependencies & { readonly queue: TaskQueue },
  actor: Actor,
  id: string,
): Promise<void> {
  const { database, audit, queue } = dependencies;
  await database.transaction(async (transaction) => {
    const { name } = await findPlan(transaction, id);
    const tasks = await cancelTasksOfPlan(queue, transaction, id, `The plan ${name} was deleted.`);
    await leaveLockToCopies(dependencies, transaction, userActor(actor), id);
    await transaction.deleteFrom("plan_devices").where("plan_id", "=", id).execute();
    await transaction.deleteFrom("plans").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "plan.delete",
      subject: { kind: "plan", id },
      details: { name, cancelled: tasks },
    });
  });
  await database.notify("tasks");
}

function columnsOf(
  plan: Omit<NewPlan, "encryption">,
): Pick<PlanRow, "name" | "description" | "selection" | "schedule" | "retention" | "retries" | "enabled"> {
  const { paths, exclude, oneFileSystem, snapshot, tags, compression, bytesPerSecond } = plan;
  const { bandwidth, before, after } = plan;
  return {
    name: plan.name,
    description: plan.description,
    selection: JSON.stringify({
      paths,
      exclude,
      oneFileSystem,
      snapshot,
      tags,
      compression,
      bytesPerSecond,
      bandwidth,
      before,
      after,
    }),
    schedule: plan.schedule === null ? null : JSON.stringify(plan.schedule),
    retention: plan.retention === null ? null : JSON.stringify(plan.retention),
    retries: JSON.stringify(plan.retries),
    enabled: plan.enabled ? 1 : 0,
  };
}

/** The fields of a change that were given. */
function givenFields(change: PlanChange): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function checkEncryptionKept(row: PlanRow, wanted: Encryption | null | undefined): void {
  if (wanted === undefined) return;
  const { method, level, secret } = encryptionOfPlan(row) ?? {};
  if (wanted?.method === method && wanted?.level === level && wanted?.secret === secret) return;
  throw new AppError(
    "ERR_PLAN_ENCRYPTION_FIXED",
    `The encryption of the plan ${row.name} was fixed when it was saved and never changes.`,
    {
      subject: row.id,
      remedy: `Clone the plan (POST /api/v1/plans/${row.id}/clone) and choose the encryption of the clone.`,
    },
  );
}

function checkUse(actor: Actor): void {
  if (actor.rights.has("secrets.use")) return;
  throw new AppError("ERR_FORBIDDEN", "Using an encryption key needs the right secrets.use.", {
    subject: "secrets.use",
    remedy: "Ask an administrator for the right, or to make the plan.",
  });
}

/** Used by the queue: what a run of this plan may be tried. */
export function attemptsOf(row: PlanRow): number {
  return 1 + retriesOf(row).count;
}
