/**
 * Tasks as their devices get them.
 *
 * @module
 */
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import type { AgentTask, RepositoryRef } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { paceSteps } from "../plans/bandwidth.ts";
import { findPlan, selectionOf } from "../plans/plan-rows.ts";
import { findRepository, refOf } from "../repositories/repositories.ts";
import { recipientOf } from "../storages/location.ts";
import { findStorage } from "../storages/storage-rows.ts";
import type { TaskRow } from "../tasks/task-kinds.ts";
import { taskInputs } from "./inputs.ts";
import { proposedFor } from "./proposed.ts";

/** @throws AppError `ERR_NOT_FOUND` when what the task is about was removed meanwhile. */
export async function describeTask(
  db: Db,
  task: TaskRow,
  clock: Pick<Clock, "now"> = systemClock,
): Promise<AgentTask> {
  if (task.kind === "backup") return describeBackup(db, task, clock.now());
  const common = { id: task.id, ...(await planOf(db, task)) };
  const input: unknown = JSON.parse(task.input);
  const onRepository = async (): Promise<typeof common & { repository: RepositoryRef }> => ({
    ...common,
    repository: await repositoryOf(db, task),
  });
  switch (task.kind) {
    case "storage.test": {
      const storage = await findStorage(db, required(task, "storage_id"));
      const { id, name, location } = storage;
      // Not to another place than the one that the value was proposed for.
      await proposedFor(db, task, storage);
      return { ...common, kind: task.kind, storage: { id, name, location } };
    }
    case "copies":
    case "clean":
      return { ...common, kind: task.kind, repository: await repositoryOf(db, task) };
    case "restore":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.restore.parse(input) };
    case "verify":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.verify.parse(input) };
    case "forget":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.forget.parse(input) };
    case "browse":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.browse.parse(input) };
    case "search":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.search.parse(input) };
    case "versions":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.versions.parse(input) };
    case "compare":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.compare.parse(input) };
    case "download":
      return { ...(await onRepository()), kind: task.kind, ...taskInputs.download.parse(input) };
    case "replicate":
      return { ...common, kind: task.kind, ...(await describeReplication(db, task)) };
    default:
      throw new AppError("ERR_UNSUPPORTED", `Tasks of the kind ${task.kind} are not known.`, {
        subject: task.id,
        remedy: "They were made by a newer version: start that one.",
      });
  }
}

type Fields<K extends AgentTask["kind"]> = Omit<Extract<AgentTask, { kind: K }>, "id" | "kind">;

async function describeBackup(
  db: Db,
  task: TaskRow,
  now: number,
): Promise<Extract<AgentTask, { kind: "backup" }>> {
  const plan = await findPlan(db, required(task, "plan_id"));
  const { bytesPerSecond, bandwidth, before, after, ...selection } = selectionOf(plan);
  const repository = await repositoryOf(db, task);
  return {
    id: task.id,
    kind: "backup",
    plan: { id: plan.id, name: plan.name },
    repository,
    ...((await hasCopies(db, task.repository_id, ownerOf(task, repository))) ? { hasCopies: true } : {}),
    ...selection,
    name: plan.name,
    ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
    ...(bandwidth === null ? {} : { bandwidth: paceSteps(bandwidth, bytesPerSecond, now) }),
    ...(before === null ? {} : { before }),
    ...(after === null ? {} : { after }),
  };
}

/** Whose copies are where the device of a backup stores: a folder is one of its own, a server is the same for all. */
function ownerOf({ device_id: device }: TaskRow, { storage }: RepositoryRef): string | undefined {
  return recipientOf(storage.location) === "" ? device : undefined;
}

async function hasCopies(db: Db, repositoryId: string | null, deviceId?: string): Promise<boolean> {
  let copies = db
    .selectFrom("copies")
    .select("id")
    .where("repository_id", "=", repositoryId ?? "")
    .where("forgotten_at", "is", null)
    .limit(1);
  if (deviceId !== undefined) copies = copies.where("device_id", "=", deviceId);
  return (await copies.executeTakeFirst()) !== undefined;
}

async function describeReplication(db: Db, task: TaskRow): Promise<Fields<"replicate">> {
  const { target, copies } = taskInputs.replicate.parse(JSON.parse(task.input));
  const { storage } = await refOf(db, await findRepository(db, target));
  return {
    repository: await repositoryOf(db, task),
    target: storage,
    ...((await hasCopies(db, target)) ? { targetHasCopies: true } : {}),
    copies: await copiesToReplicate(db, task, copies),
  };
}

/** Without those that were forgotten since the task was made. */
async function copiesToReplicate(db: Db, task: TaskRow, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom("copies")
    .select("id")
    .where("repository_id", "=", required(task, "repository_id"))
    .where("forgotten_at", "is", null)
    .execute();
  const present = new Set(rows.map(({ id }) => id));
  const copies = ids.filter((id) => present.has(id));
  // To a device, none would mean all.
  if (copies.length > 0) return copies;
  throw new AppError("ERR_NOT_FOUND", "The copies that were to be replicated were forgotten meanwhile.", {
    subject: task.id,
    remedy: "There is nothing to do: the next replication brings what is there then.",
  });
}

async function repositoryOf(db: Db, task: TaskRow): Promise<RepositoryRef> {
  return refOf(db, await findRepository(db, required(task, "repository_id")));
}

async function planOf(db: Db, task: TaskRow): Promise<{ plan?: { id: string; name: string } }> {
  if (task.plan_id === null) return {};
  const plan = await db
    .selectFrom("plans")
    .select(["id", "name"])
    .where("id", "=", task.plan_id)
    .executeTakeFirst();
  return plan === undefined ? {} : { plan };
}

function required(task: TaskRow, column: "plan_id" | "storage_id" | "repository_id"): string {
  const value = task[column];
  if (value !== null) return value;
  throw new AppError("ERR_NOT_FOUND", `What the task ${task.id} is about was removed meanwhile.`, {
    subject: task.id,
  });
}
