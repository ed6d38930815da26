/**
 * Failed attempts to enroll, by network, for all processes of the service together: each allows the next a little later, so that a code
 * cannot be guessed and nobody is kept out for ever. The secrets have 128 bits: this only spares work.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import { networkOf } from "../http/rate-limit.ts";

const FREE_FAILURES = 10;
/** So long after it one failure is forgiven. */
const FORGIVEN_MS = 60_000;

export interface AttemptLimit {
  /** @throws AppError `ERR_TOO_MANY_ATTEMPTS`. */
  readonly check: (address: string) => Promise<void>;
  readonly failed: (address: string) => Promise<void>;
}

/** A row counts the failures that were not forgiven when the last one came. */
export function createAttemptLimit({ db, transaction }: Database, clock: Pick<Clock, "now">): AttemptLimit {
  const left = (row: { readonly count: number; readonly last_at: number } | undefined): number =>
    row === undefined ? 0 : Math.max(0, row.count - (clock.now() - row.last_at) / FORGIVEN_MS);
  return {
    check: async (address) => {
      const row = await db
        .selectFrom("sign_in_failures")
        .select(["count", "last_at"])
        .where("subject", "=", subjectOf(address))
        .executeTakeFirst();
      const failures = left(row);
      if (failures <= FREE_FAILURES) return;
      throw new RetryLaterError(
        "ERR_TOO_MANY_ATTEMPTS",
        "Too many attempts to enroll from this address have failed.",
        (failures - FREE_FAILURES) * FORGIVEN_MS,
      );
    },
    failed: async (address) => {
      await transaction(async (inside) => {
        const subject = subjectOf(address);
        const row = await inside
          .selectFrom("sign_in_failures")
          .select(["count", "last_at"])
          .where("subject", "=", subject)
          .executeTakeFirst();
        const values = { count: Math.ceil(left(row)) + 1, last_at: clock.now() };
        await inside
          .insertInto("sign_in_failures")
          .values({ subject, ...values })
          .onConflict((conflict) => conflict.column("subject").doUpdateSet(values))
          .execute();
      });
    },
  };
}

function subjectOf(address: string): string {
  return `enrol:${networkOf(address)}`;
}
