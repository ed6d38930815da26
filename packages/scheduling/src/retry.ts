/**
 * When a failed run is tried again: exponential backoff with full jitter.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: a random time between zero and
 * the grown delay spreads the attempts of many clients best. The random number is a hash, so that an attempt keeps its
 * time when the service is started again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertInstant, createTimetable, jitterFrom, openingFrom, runAfter, type RunTarget } from "./runs.ts";
import type { RetryPolicy, Schedule } from "./schedule.ts";
import { spread } from "./spread.ts";

export interface FailedRun extends RunTarget {
  /** `at` of the run. */
  readonly at: number;
  /** How often it was tried and failed; 1 after the first failure. */
  readonly failures: number;
  /** Milliseconds since the epoch. */
  readonly failedAt: number;
}

/** The longest delay after this many failures; undefined when there is no further attempt. */
export function maxRetryDelayMs(policy: RetryPolicy, failures: number): number | undefined {
  assert(Number.isSafeInteger(failures) && failures >= 1);
  if (failures > policy.maxRetries) return undefined;
  const grown = policy.delaySeconds * policy.backoffFactor ** (failures - 1);
  return Math.round(Math.min(policy.maxDelaySeconds, grown) * 1000);
}

/**
 * When to try again: after the delay, inside the backup window. Undefined when the attempts are used up, and when the
 * next regular run comes first: it takes over.
 *
 * @throws {AppError} `ERR_USAGE` for an invalid schedule
 */
export function retryTime(schedule: Schedule, failed: FailedRun): number | undefined {
  assertInstant(failed.at);
  assertInstant(failed.failedAt);
  const timetable = createTimetable(schedule);
  if (schedule.retry === undefined) return undefined;
  const longest = maxRetryDelayMs(schedule.retry, failed.failures);
  if (longest === undefined) return undefined;
  const random = (limit: number, purpose: string): number =>
    spread(limit, purpose, failed.plan, failed.device, failed.at, failed.failures);
  const wanted = failed.failedAt + random(longest, "retry");
  const opening = openingFrom(timetable, wanted);
  const startAt =
    opening === wanted ? wanted : opening + random(jitterFrom(timetable, opening), "retryOpening");
  return runAfter(timetable, failed.at).at <= startAt ? undefined : startAt;
}
