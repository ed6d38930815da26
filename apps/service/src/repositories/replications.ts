/**
 * What may be done with replications. Source and target never change: another target is another replication.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import {
  type NewReplication,
  newReplication,
  type ReplicationChange,
  type ReplicationView,
} from "@holdfast/protocol";
import { decodeSchedule } from "@holdfast/scheduling";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Transaction } from "../database/database.ts";
import { checkDevices } from "../devices/device-rows.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import { nextStart } from "../plans/plan-times.ts";
import { checkNameFree } from "../resources.ts";
import { findStorage } from "../storages/storage-rows.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { prepareReplica, type ReplicaDependencies } from "./replicas.ts";
import { findReplication, type ReplicationRow, showReplication } from "./replication-rows.ts";
import { findRepository } from "./repositories.ts";

export interface ReplicationDependencies extends ReplicaDependencies {
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
}

/** @throws AppError `ERR_NAME_TAKEN`, `ERR_USAGE` (schedule, target), `ERR_NOT_FOUND`, `ERR_FORBIDDEN`. */
export async function createReplication(
  dependencies: ReplicationDependencies,
  actor: Actor,
  given: NewReplication,
): Promise<ReplicationView> {
  const { database, audit, clock, randomness } = dependencies;
  const id = newId("rep", clock, randomness);
  return database.transaction(async (transaction) => {
    await checkNameFree(transaction, "replication", given.name, id);
    if (given.device !== null) await checkDevices(transaction, [given.device]);
    const source = await findRepository(transaction, given.source);
    const storage = await findStorage(transaction, given.targetStorage);
    if (source.secret_id !== null) checkUse(actor);
    if (source.storage_id === storage.id) {
      throw new AppError("ERR_USAGE", `The repository lies in the storage ${storage.name} already.`, {
        subject: storage.id,
        remedy: "Choose another storage: a replica beside the original is lost with it.",
      });
    }
    const target = await prepareReplica(dependencies, transaction, source, storage.id);
    const now = clock.now();
    await transaction
      .insertInto("replications")
      .values({
        id,
        ...columnsOf(given),
        source_id: source.id,
        target_id: target,
        last_fired_at: now,
        next_start_at: nextOf(id, given, now, now),
        created_at: now,
        created_by: actor.userId,
        revision: 1,
      })
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "replication.create",
      subject: { kind: "replication", id },
      details: { name: given.name, source: source.id, target, storage: storage.id },
    });
    return showReplication(transaction, clock, await findReplication(transaction, id));
  });
}

/** One that is switched off has its waiting tasks cancelled. @throws AppError as {@link createReplication}, `ERR_CHANGED_MEANWHILE`. */
export async function changeReplication(
  { database, audit, queue, clock }: ReplicationDependencies,
  actor: Actor,
  id: string,
  change: ReplicationChange,
  ifMatch: number | undefined,
): Promise<ReplicationView> {
  return database.transaction(async (transaction) => {
    const row = await findReplication(transaction, id);
    checkRevision(row, ifMatch);
    if (change.name !== undefined) await checkNameFree(transaction, "replication", change.name, id);
    if (typeof change.device === "string") await checkDevices(transaction, [change.device]);
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const wanted = newReplication.parse({ ...(await showReplication(transaction, clock, row)), ...given });
    await transaction
      .updateTable("replications")
      .set({
        ...columnsOf(wanted),
        next_start_at: nextOf(id, wanted, row.last_fired_at, clock.now()),
        revision: row.revision + 1,
      })
      .where("id", "=", id)
      .execute();
    if (row.enabled === 1 && !wanted.enabled) {
      const reason = `The replication ${row.name} was switched off.`;
      await cancelTasks(queue, transaction, row, { reason, states: ["queued"] });
    }
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "replication.change",
      subject: { kind: "replication", id },
      details: { fields: Object.keys(given) },
    });
    return showReplication(transaction, clock, await findReplication(transaction, id));
  });
}

/** The replica stays, with its copies in the catalogue; what waits or runs is cancelled. */
export async function deleteReplication(
  { database, audit, queue }: ReplicationDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const row = await findReplication(transaction, id);
    const cancelled = await cancelTasks(queue, transaction, row, {
      reason: `The replication ${row.name} was deleted.`,
      states: ["queued", "running"],
    });
    await transaction.deleteFrom("replications").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "replication.delete",
      subject: { kind: "replication", id },
      details: { name: row.name, target: row.target_id, cancelled },
    });
  });
  await database.notify("tasks");
}

async function cancelTasks(
  queue: TaskQueue,
  transaction: Transaction,
  row: ReplicationRow,
  { reason, states }: { readonly reason: string; readonly states: readonly ("queued" | "running")[] },
): Promise<string[]> {
  const tasks = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("repository_id", "=", row.source_id)
    .where("kind", "=", "replicate")
    .where("state", "in", states)
    .where("input", "like", `%${row.target_id}%`)
    .execute();
  for (const { id } of tasks) await queue.requestCancel(transaction, id, reason);
  return tasks.map(({ id }) => id);
}

type Columns =
  | "name"
  | "description"
  | "plans"
  | "schedule"
  | "after_backup"
  | "retention"
  | "device_id"
  | "enabled";

function columnsOf(given: NewReplication): Pick<ReplicationRow, Columns> {
  return {
    name: given.name,
    description: given.description,
    plans: JSON.stringify(given.plans),
    schedule: given.schedule === null ? null : JSON.stringify(given.schedule),
    after_backup: given.afterBackup ? 1 : 0,
    retention: given.retention === null ? null : JSON.stringify(given.retention),
    device_id: given.device,
    enabled: given.enabled ? 1 : 0,
  };
}

/** @throws AppError `ERR_USAGE` for a schedule that makes no sense. */
function nextOf(planId: string, given: NewReplication, lastFired: number, now: number): number | null {
  const schedule = given.schedule === null ? undefined : decodeSchedule(given.schedule);
  return nextStart({ planId, schedule, now }, "", lastFired);
}

function checkUse(actor: Actor): void {
  if (actor.rights.has("secrets.use")) return;
  throw new AppError("ERR_FORBIDDEN", "Replicating encrypted copies needs the right secrets.use.", {
    subject: "secrets.use",
    remedy: "Ask an administrator for the right, or to make the replication.",
  });
}
