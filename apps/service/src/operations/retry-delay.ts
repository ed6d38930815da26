/**
 * How long a failed task waits for its next attempt: what its plan says, doubled with each failure, with full jitter, so that
 * devices whose storage failed at the same time do not come back at the same time.
 *
 * @module
 */
import { maxRetryDelayMs } from "@holdfast/scheduling";
import type { Randomness } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { retriesOf } from "../plans/plan-rows.ts";
import type { TaskRow } from "../tasks/task-kinds.ts";

const DEFAULT_DELAY_SECONDS = 60;
const MAX_DELAY_SECONDS = 3600;

export async function retryDelayOf(db: Db, randomness: Randomness, task: TaskRow): Promise<number> {
  const delaySeconds = await planDelay(db, task);
  const failures = Math.max(1, task.attempt);
  const maxDelaySeconds = Math.max(delaySeconds, MAX_DELAY_SECONDS);
  const policy = { maxRetries: failures, delaySeconds, backoffFactor: 2, maxDelaySeconds };
  const longest = maxRetryDelayMs(policy, failures) ?? delaySeconds * 1000;
  const fraction = randomness(Buffer.alloc(4)).readUInt32LE() / 2 ** 32;
  return Math.round(longest * fraction);
}

async function planDelay(db: Db, { kind, plan_id: planId }: TaskRow): Promise<number> {
  if (kind !== "backup" || planId === null) return DEFAULT_DELAY_SECONDS;
  const plan = await db.selectFrom("plans").selectAll().where("id", "=", planId).executeTakeFirst();
  // A plan that was deleted meanwhile says nothing any more.
  return plan === undefined ? DEFAULT_DELAY_SECONDS : retriesOf(plan).delaySeconds;
}
