/**
 * Forgetting what retention rules do not keep: those of a plan, or of the replication that fills a repository.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { Transaction } from "../database/database.ts";
import { type PlanRow, retentionOf } from "../plans/plan-rows.ts";
import { retentionOfReplication } from "../repositories/replication-rows.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { type CopiesInQuestion, type GivenPolicy, planDecision } from "./retention.ts";

export interface ForgetDependencies {
  readonly queue: TaskQueue;
  readonly clock: Pick<Clock, "now">;
}

/** Of one task; what is left goes with the next. */
const COPIES_MAX = 10_000;

/**
 * Starts to forget what a policy does not keep.
 *
 * @param deviceId carries it out.
 * @returns the id of the task, or undefined when everything is kept.
 */
export async function forgetByPolicy(
  { queue, clock }: ForgetDependencies,
  transaction: Transaction,
  policy: GivenPolicy | null,
  copies: CopiesInQuestion,
  deviceId: () => Promise<string> | string,
): Promise<string | undefined> {
  if (policy === null) return undefined;
  const { forget } = await planDecision(transaction, clock, policy, copies);
  if (forget.length === 0) return undefined;
  return queue.create(transaction, {
    kind: "forget",
    ...(copies.planId === undefined ? {} : { planId: copies.planId }),
    deviceId: await deviceId(),
    repositoryId: copies.repositoryId,
    input: { copies: forget.slice(0, COPIES_MAX).map(({ id }) => id) },
    createdBy: "",
    attemptMax: 3,
  });
}

/**
 * The same for all plans and the replication of a repository, whatever became of the backups: locks end, and rules change. What is
 * switched off rests.
 *
 * @returns the id of the last task that was started.
 */
export async function forgetByRules(
  dependencies: ForgetDependencies,
  transaction: Transaction,
  repositoryId: string,
  deviceId: () => Promise<string>,
): Promise<string | undefined> {
  const plans: readonly PlanRow[] = await transaction
    .selectFrom("plans")
    .selectAll()
    .where("repository_id", "=", repositoryId)
    .where("enabled", "=", 1)
    .orderBy("id")
    .execute();
  let last: string | undefined;
  for (const plan of plans) {
    const copies = { repositoryId, planId: plan.id };
    last = (await forgetByPolicy(dependencies, transaction, retentionOf(plan), copies, deviceId)) ?? last;
  }
  const replication = await transaction
    .selectFrom("replications")
    .selectAll()
    .where("target_id", "=", repositoryId)
    .where("enabled", "=", 1)
    .executeTakeFirst();
  if (replication === undefined) return last;
  const policy = retentionOfReplication(replication);
  return (await forgetByPolicy(dependencies, transaction, policy, { repositoryId }, deviceId)) ?? last;
}
