/**
 * What the end of a task brings about: a finished backup becomes a copy of the catalogue, retention follows it, and what was
 * forgotten is marked.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { type CatalogueCopy, taskResults, type TaskResult } from "@holdfast/protocol";
import type { Transaction } from "../database/database.ts";
import { findPlan, retentionOf } from "../plans/plan-rows.ts";
import { lockDaysOfNew, lockedCopies } from "../policies/copy-lock.ts";
import { lockTime } from "../policies/lock-clock.ts";
import { replicateAfter } from "../repositories/replication-runs.ts";
import { findRepository } from "../repositories/repositories.ts";
import { seenSpace } from "../storages/free-space.ts";
import { isOfDatabase } from "../database/failures.ts";
import type { TaskEnd, TaskQueue, TaskRow } from "../tasks/task-kinds.ts";
import { chooseDevice } from "./device-choice.ts";
import { forgetByPolicy } from "./forget-by-rules.ts";
import { dropCopies, replicationEnded } from "./replication-ended.ts";

export interface EndDependencies {
  readonly queue: TaskQueue;
  readonly clock: Clock;
}

export async function taskEnded(
  dependencies: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<void> {
  await noteSpace(dependencies, transaction, task, end);
  if (task.kind === "replicate") return replicationEnded(dependencies, transaction, task, end);
  if (end.state !== "succeeded") return;
  if (task.kind === "backup") {
    await recordCopy(dependencies, transaction, task, taskResults.backup.parse(end.result));
    await eachOf([
      () => forgetByPlan(dependencies, transaction, task),
      () => replicateAfter(dependencies, transaction, task),
    ]);
  } else if (task.kind === "forget") {
    const { copies } = taskResults.forget.parse(end.result);
    await markForgotten(transaction, task, copies, dependencies.clock.now());
    await cleanAfter(dependencies, transaction, task);
  } else if (task.kind === "copies") {
    await reconcile(dependencies, transaction, task, taskResults.copies.parse(end.result));
  }
}

async function noteSpace(
  { clock }: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<void> {
  const seen = await seenSpace(transaction, task, end);
  if (seen === undefined) return;
  await transaction
    .updateTable("storages")
    .set({ free_bytes: seen.freeBytes, free_at: clock.now() })
    .where("id", "=", seen.storageId)
    .execute();
}

/** What cannot follow, such as without a device, is not in the way of what can. @throws AppError the first of their failures. */
async function eachOf(steps: readonly (() => Promise<void>)[]): Promise<void> {
  let problem: AppError | undefined;
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof AppError) || isOfDatabase(error)) throw error;
      problem ??= error;
    }
  }
  if (problem !== undefined) throw problem;
}

async function recordCopy(
  dependencies: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  { copy, bytesStored }: TaskResult<"backup">,
): Promise<void> {
  if (task.repository_id === null) return;
  await insertCopy(transaction, copy, {
    repositoryId: task.repository_id,
    planId: task.plan_id,
    deviceId: task.device_id,
    taskId: task.id,
    stored: bytesStored,
    ...(await lockOfNew(dependencies, transaction, task.plan_id, task.repository_id)),
  });
}

async function lockOfNew(
  { clock }: EndDependencies,
  transaction: Transaction,
  planId: string | null,
  repositoryId: string,
): Promise<Pick<CopyOrigin, "lockDays" | "recordedAt">> {
  return {
    lockDays: await lockDaysOfNew(transaction, planId, repositoryId),
    recordedAt: await lockTime(transaction, clock),
  };
}

interface CopyOrigin {
  readonly repositoryId: string;
  readonly planId: string | null;
  readonly deviceId: string | null;
  readonly taskId: string | null;
  readonly stored: number | null;
  readonly lockDays: number;
  /** By the lock clock. */
  readonly recordedAt: number;
}

/** A copy that is known already stays as it is. */
async function insertCopy(transaction: Transaction, copy: CatalogueCopy, origin: CopyOrigin): Promise<void> {
  await transaction
    .insertInto("copies")
    .values({
      id: copy.id,
      repository_id: origin.repositoryId,
      plan_id: origin.planId,
      device_id: origin.deviceId,
      task_id: origin.taskId,
      time: copy.time,
      host: copy.host,
      kind: copy.kind,
      paths: JSON.stringify(copy.paths),
      tags: JSON.stringify(copy.tags),
      size: copy.size,
      files: copy.files,
      stored: origin.stored,
      forgotten_at: null,
      lock_days: origin.lockDays,
      recorded_at: origin.recordedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

async function forgetByPlan(
  dependencies: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
): Promise<void> {
  if (task.plan_id === null || task.repository_id === null) return;
  const plan = await findPlan(transaction, task.plan_id);
  const copies = { planId: plan.id, repositoryId: task.repository_id, deviceId: task.device_id };
  await forgetByPolicy(dependencies, transaction, retentionOf(plan), copies, () =>
    chooseDevice(transaction, plan.storage_id, task.device_id),
  );
}

async function markForgotten(
  transaction: Transaction,
  task: TaskRow,
  copies: readonly string[],
  now: number,
): Promise<void> {
  if (copies.length === 0 || task.repository_id === null) return;
  await transaction
    .updateTable("copies")
    .set({ forgotten_at: now })
    .where("repository_id", "=", task.repository_id)
    .where("id", "in", [...copies])
    .execute();
}

/** Space is given back after copies were forgotten; one clean-up waits for a repository at a time. */
async function cleanAfter(
  { queue }: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
): Promise<void> {
  if (task.repository_id === null) return;
  const waiting = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("kind", "=", "clean")
    .where("repository_id", "=", task.repository_id)
    .where("state", "=", "queued")
    .executeTakeFirst();
  if (waiting !== undefined) return;
  const { storage_id: storageId } = await findRepository(transaction, task.repository_id);
  await queue.create(transaction, {
    kind: "clean",
    deviceId: await chooseDevice(transaction, storageId, task.device_id),
    repositoryId: task.repository_id,
    input: {},
    createdBy: "",
    attemptMax: 3,
  });
}

/**
 * The catalogue after the storage itself was looked at: unknown copies come in, copies that are gone are marked.
 *
 * @throws AppError `ERR_RETENTION_LOCKED` after all that, when locked copies are gone: they stay in the catalogue, and with them the
 * keys that they need.
 */
async function reconcile(
  dependencies: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  { copies, complete }: TaskResult<"copies">,
): Promise<void> {
  const { repository_id: repositoryId } = task;
  if (repositoryId === null) return;
  const { origin_id: originId } = await findRepository(transaction, repositoryId);
  const lock = await lockOfNew(dependencies, transaction, null, repositoryId);
  const origin = { repositoryId, planId: null, deviceId: null, taskId: null, stored: null, ...lock };
  for (const copy of copies) await insertCopy(transaction, copy, origin);
  if (!complete) return;
  const there = new Set(copies.map(({ id }) => id));
  const known = await transaction
    .selectFrom("copies")
    .select("id")
    .where("repository_id", "=", repositoryId)
    .where("forgotten_at", "is", null)
    .execute();
  const gone = known.map(({ id }) => id).filter((id) => !there.has(id));
  const locked = await lockedCopies(transaction, dependencies.clock, repositoryId, gone);
  const unlocked = gone.filter((id) => !locked.has(id));
  // What a replica has lost is missing there, and is brought again.
  if (originId !== null) await dropCopies(transaction, repositoryId, unlocked);
  else await markForgotten(transaction, task, unlocked, dependencies.clock.now());
  const [missing] = locked.keys();
  if (missing === undefined) return;
  throw new AppError(
    "ERR_RETENTION_LOCKED",
    `${String(locked.size)} copies that are locked are missing in the storage, ${missing.slice(0, 12)} among them.`,
    {
      subject: missing,
      remedy:
        "Somebody deleted them there, or the storage's location was changed: find out, and put it right.",
    },
  );
}
