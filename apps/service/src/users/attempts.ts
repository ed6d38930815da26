/**
 * Limits attempts to sign in, by name and by address, for all processes of the service together.
 *
 * An attempt counts when it begins and is forgiven when it succeeds, so that attempts at the same time do not slip through.
 * The more have failed, the longer the next one has to wait. By address up to a quarter of an hour; by name up to a minute,
 * and not from a network where that person has been signed in lately: nobody can lock somebody else out for good.
 *
 * The table has a few bits of a hash of a name, not the name: people type passwords there.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import type { Clock } from "@holdfast/kernel";
import type { Database, Transaction } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import { networkOf } from "../http/rate-limit.ts";

const FREE_BY_NAME = 5;
const FREE_BY_ADDRESS = 10;
const DELAY_BY_NAME_MAX_MS = 60_000;
const DELAY_BY_ADDRESS_MAX_MS = 15 * 60_000;
const FIRST_DELAY_MS = 1000;
/** After so long without a failure the count begins anew. */
const FORGIVEN_MS = 60 * 60_000;
const NAME_HASH_DIGITS = 6;

interface Dependencies {
  readonly database: Database;
  readonly clock: Clock;
}

interface Limit {
  readonly subject: string;
  readonly free: number;
  readonly delayMaxMs: number;
}

export interface Attempt {
  /** It was none: forgives those of the name, and this one of the address. */
  readonly succeeded: () => Promise<void>;
  /** It is not finished: forgives this one. */
  readonly withdrawn: () => Promise<void>;
}

/**
 * Counts an attempt as failed until it is said to be none.
 *
 * @param known whether the person has been signed in from this network lately.
 * @throws AppError `ERR_TOO_MANY_ATTEMPTS`: this attempt is not to be made.
 */
export async function beginAttempt(
  { database, clock }: Dependencies,
  name: string,
  address: string,
  known: boolean,
): Promise<Attempt> {
  const byAddress = {
    subject: `address:${networkOf(address)}`,
    free: FREE_BY_ADDRESS,
    delayMaxMs: DELAY_BY_ADDRESS_MAX_MS,
  };
  const byName = { subject: nameSubject(name), free: FREE_BY_NAME, delayMaxMs: DELAY_BY_NAME_MAX_MS };
  const limits: readonly Limit[] = known ? [byAddress] : [byAddress, byName];
  await database.transaction(async (transaction) => {
    const now = clock.now();
    await transaction
      .deleteFrom("sign_in_failures")
      .where("last_at", "<", now - FORGIVEN_MS)
      .execute();
    for (const limit of limits) await refuseTooSoon(transaction, limit, now);
    for (const { subject } of limits) await countFailure(transaction, subject, now);
  });
  return {
    succeeded: () =>
      database.transaction(async (transaction) => {
        // The address keeps its other failures: one's own account must not buy attempts at those of others.
        await forgiveOne(transaction, [byAddress]);
        await transaction.deleteFrom("sign_in_failures").where("subject", "=", byName.subject).execute();
      }),
    withdrawn: () => database.transaction((transaction) => forgiveOne(transaction, limits)),
  };
}

export function nameSubject(name: string): string {
  const hash = sha256(Buffer.from(`holdfast/sign-in/${name}`, "utf8")).toString("hex");
  return `name:${hash.slice(0, NAME_HASH_DIGITS)}`;
}

/** In the order in which they are counted: two that meet would wait for each other otherwise. */
async function forgiveOne(transaction: Transaction, limits: readonly Limit[]): Promise<void> {
  for (const { subject } of limits) {
    const { numDeletedRows } = await transaction
      .deleteFrom("sign_in_failures")
      .where("subject", "=", subject)
      .where("count", "=", 1)
      .executeTakeFirstOrThrow();
    if (numDeletedRows > 0n) continue;
    await transaction
      .updateTable("sign_in_failures")
      .set((eb) => ({ count: eb("count", "-", 1) }))
      .where("subject", "=", subject)
      .execute();
  }
}

async function refuseTooSoon(transaction: Transaction, limit: Limit, now: number): Promise<void> {
  const row = await transaction
    .selectFrom("sign_in_failures")
    .select(["count", "last_at"])
    .where("subject", "=", limit.subject)
    .executeTakeFirst();
  if (row === undefined || row.count < limit.free) return;
  const delayMs = Math.min(limit.delayMaxMs, FIRST_DELAY_MS * 2 ** (row.count - limit.free));
  const leftMs = row.last_at + delayMs - now;
  if (leftMs <= 0) return;
  throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", "Too many attempts have failed.", leftMs);
}

async function countFailure(transaction: Transaction, subject: string, now: number): Promise<void> {
  await transaction
    .insertInto("sign_in_failures")
    .values({ subject, count: 1, last_at: now })
    .onConflict((conflict) =>
      conflict.column("subject").doUpdateSet((eb) => ({
        count: eb("sign_in_failures.count", "+", 1),
        last_at: now,
      })),
    )
    .execute();
}
