/**
 * Which proposed value a task tests, if any (`secrets/proposals.ts`).
 *
 * @module
 */
import type { Db } from "../database/database.ts";
import { type ProposedSecret, proposedSecretOf } from "../secrets/proposed-value.ts";
import { placeOfStorage } from "../storages/storage-proposal.ts";
import type { StorageRow } from "../storages/storage-rows.ts";
import type { TaskRow } from "../tasks/task-kinds.ts";
import { taskInputs } from "./inputs.ts";

/** @throws AppError `ERR_CHANGED_MEANWHILE` when the task may not test it any more. */
export async function proposedFor(
  db: Db,
  task: TaskRow,
  storage: StorageRow,
  now?: number,
): Promise<ProposedSecret | undefined> {
  if (task.kind !== "storage.test") return undefined;
  const { proposal } = taskInputs["storage.test"].parse(JSON.parse(task.input));
  if (proposal === undefined) return undefined;
  const place = placeOfStorage(storage);
  return proposedSecretOf(db, {
    taskId: task.id,
    proposalId: proposal,
    place,
    ...(now === undefined ? {} : { now }),
  });
}
