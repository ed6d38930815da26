/**
 * How much is left in a storage, as a device has seen it that has just worked with it: the service itself connects to none.
 *
 * @module
 */
import { taskResults } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { taskInputs } from "../operations/inputs.ts";
import type { TaskEnd, TaskRow } from "../tasks/task-kinds.ts";

export interface SeenSpace {
  readonly storageId: string;
  readonly freeBytes: number;
}

/** Undefined where the task did not look, or the storage does not tell. */
export async function seenSpace(db: Db, task: TaskRow, end: TaskEnd): Promise<SeenSpace | undefined> {
  if (end.state !== "succeeded") return undefined;
  const freeBytes = freeBytesOf(task.kind, end.result);
  if (freeBytes === undefined) return undefined;
  const storageId = await storageOf(db, task);
  return storageId === undefined ? undefined : { storageId, freeBytes };
}

function freeBytesOf(kind: TaskRow["kind"], result: unknown): number | undefined {
  switch (kind) {
    case "storage.test":
    case "backup":
    case "clean":
    case "replicate":
      return taskResults[kind].safeParse(result).data?.freeBytes;
    default:
      return undefined;
  }
}

/** The one that was written to. */
async function storageOf(db: Db, task: TaskRow): Promise<string | undefined> {
  if (task.kind === "replicate")
    return storageOfRepository(db, taskInputs.replicate.parse(JSON.parse(task.input)).target);
  return task.storage_id ?? (await storageOfRepository(db, task.repository_id));
}

export async function storageOfRepository(db: Db, id: string | null): Promise<string | undefined> {
  if (id === null) return undefined;
  const row = await db
    .selectFrom("repositories")
    .select("storage_id")
    .where("id", "=", id)
    .executeTakeFirst();
  return row?.storage_id;
}
