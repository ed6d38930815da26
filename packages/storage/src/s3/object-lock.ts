import type { Clock } from "@holdfast/kernel";
import type { S3ObjectLock } from "./options.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The lock of an object that is put now. */
export function lockFromNow(lock: S3ObjectLock | undefined, clock: Clock) {
  if (lock === undefined) return {};
  return {
    ObjectLockMode: lock.mode,
    ObjectLockRetainUntilDate: new Date(clock.now() + lock.days * DAY_MS),
  };
}
