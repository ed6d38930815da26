/**
 * What the end of a replication brings about: the copies that are in the replica by now are in the catalogue, and the replica's own retention
 * follows.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { taskResults } from "@holdfast/protocol";
import type { Transaction } from "../database/database.ts";
import { recordReplicas } from "../repositories/replicas.ts";
import { retentionOfReplication } from "../repositories/replication-rows.ts";
import type { TaskEnd, TaskQueue, TaskRow } from "../tasks/task-kinds.ts";
import { taskInputs } from "./inputs.ts";
import { type ForgetDependencies, forgetByPolicy } from "./forget-by-rules.ts";

export async function replicationEnded(
  { queue, clock }: { readonly queue: TaskQueue; readonly clock: Clock },
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<void> {
  const { target } = taskInputs.replicate.parse(JSON.parse(task.input));
  if (task.repository_id === null) return;
  if (end.state === "failed" && end.error.code === "ERR_CLEAN_FIRST") {
    await queue.create(transaction, {
      kind: "clean",
      deviceId: task.device_id,
      repositoryId: target,
      input: {},
      createdBy: "",
      attemptMax: 3,
    });
  }
  if (end.state !== "succeeded") return;
  const { replicated } = taskResults.replicate.parse(end.result);
  await recordReplicas(transaction, task.repository_id, {
    targetId: target,
    taskId: task.id,
    copies: replicated,
  });
  await transaction
    .updateTable("repositories")
    .set({ writer_id: task.device_id })
    .where("id", "=", target)
    .execute();
  await forgetAtTarget({ queue, clock }, transaction, task, target);
}

async function forgetAtTarget(
  dependencies: ForgetDependencies,
  transaction: Transaction,
  task: TaskRow,
  target: string,
): Promise<void> {
  const row = await transaction
    .selectFrom("replications")
    .selectAll()
    .where("target_id", "=", target)
    .executeTakeFirst();
  const policy = row === undefined ? null : retentionOfReplication(row);
  await forgetByPolicy(dependencies, transaction, policy, { repositoryId: target }, () => task.device_id);
}

/** From the catalogue, as if they had never been there. */
export async function dropCopies(
  transaction: Transaction,
  repositoryId: string,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    await transaction
      .deleteFrom("copies")
      .where("repository_id", "=", repositoryId)
      .where("id", "=", id)
      .execute();
  }
}
