/**
 * How long a failed task waits for its next attempt: what its plan says, doubled with each failure, with full jitter, so that
 * devices whose storage failed at the same time do not come back at the same time.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: a random time between zero and the grown delay
 * spreads the attempts of many clients best.
 *
 * @module
 */
import type { Randomness } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { retriesOf } from "../plans/plan-rows.ts";
import type { TaskRow } from "../tasks/task-kinds.ts";

const DEFAULT_DELAY_SECONDS = 60;
const MAX_DELAY_SECONDS = 3600;

/** @returns milliseconds. */
export async function retryDelayOf(db: Db, randomness: Randomness, task: TaskRow): Promise<number> {
  const longestMs = longestDelayMs(await planDelay(db, task), Math.max(1, task.attempt));
  return Math.round(longestMs * (randomness(Buffer.alloc(4)).readUInt32LE() / 2 ** 32));
}

/** @param delaySeconds after the first failure. */
export function longestDelayMs(delaySeconds: number, failures: number): number {
  const grownSeconds = delaySeconds * 2 ** (failures - 1);
  return Math.min(Math.max(delaySeconds, MAX_DELAY_SECONDS), grownSeconds) * 1000;
}

async function planDelay(db: Db, { kind, plan_id: planId }: TaskRow): Promise<number> {
  if (kind !== "backup" || planId === null) return DEFAULT_DELAY_SECONDS;
  const plan = await db.selectFrom("plans").selectAll().where("id", "=", planId).executeTakeFirst();
  // A plan that was deleted meanwhile says nothing any more.
  return plan === undefined ? DEFAULT_DELAY_SECONDS : retriesOf(plan).delaySeconds;
}
