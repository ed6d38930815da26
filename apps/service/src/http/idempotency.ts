/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a creation that is sent again, because its answer was
 * lost, gets the first answer and creates nothing.
 *
 * The database learns neither request nor answer: both are bound to the token that the caller signs in with, of which it has
 * only a hash. Another session cannot repeat.
 *
 * What a creation has committed is noted in the same transaction (creations.ts). When the database is lost at that moment, or the process
 * dies, a repetition so learns which it was: nothing was created, and the key is free again, or it was, and only the answer is lost.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { deriveKey, hmacSha256, openBox, sealBox } from "@holdfast/crypto";
import { AppError, type Clock } from "@holdfast/kernel";
import { z } from "zod";
import type { Database, Db, Transaction } from "../database/database.ts";
import { isDatabaseAbsent, isOfDatabase } from "../database/failures.ts";
import { besideRequest } from "../database/query-lines.ts";
import type { IdempotencyKeysTable } from "../database/tables.ts";
import { inCreation } from "./creations.ts";
import { InputError, RetryLaterError } from "./problems.ts";

export const KEPT_MS = 24 * 60 * 60_000;
const ABANDONED_MS = 10 * 60_000;
const RETRY_MS = 2000;
const KEY = /^[\u0021-\u007e]{1,255}$/u;
const KEY_BYTES = 32;
/** So often a key is looked after that could not be when the database was lost. */
const SETTLE_MS = 1000;
/** Of a request that is not finished, and has committed nothing. */
const RESERVED = 0;
/** Of one that has, and is not answered yet. */
const CARRIED_OUT = 1;
/** Of one that has, and was not answered. */
const UNANSWERED = 2;

export interface IdempotentRequest {
  readonly userId: string;
  readonly key: string;
  /** What the caller signed in with. */
  readonly token: string;
  readonly method: string;
  /** With its parameters. */
  readonly path: string;
  readonly body: unknown;
}

const storedAnswer = z.object({ status: z.number(), text: z.string(), etag: z.string().optional() });
export type StoredAnswer = z.infer<typeof storedAnswer>;

interface Dependencies {
  readonly database: Database;
  readonly clock: Pick<Clock, "now">;
}

/** @throws InputError for a malformed key. */
export function idempotencyKeyOf(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === "string" && KEY.test(header)) return header;
  throw new InputError([{ path: "Idempotency-Key", message: "is not 1 to 255 visible characters of ASCII" }]);
}

/**
 * Runs `work` unless this request was answered before.
 *
 * @throws AppError `ERR_IDEMPOTENCY_KEY`, `ERR_IN_PROGRESS`, and what `work` throws, after which the key is free again: at once, or, when
 * that was lost with the database, as soon as it is known that nothing was created.
 */
export async function runOnce(
  dependencies: Dependencies,
  request: IdempotentRequest,
  work: () => Promise<StoredAnswer>,
): Promise<{ readonly answer: StoredAnswer; readonly repeated: boolean }> {
  const row = rowOf(dependencies, request);
  let answer: StoredAnswer;
  try {
    const earlier = await reserve(dependencies, request, row.id);
    if (earlier !== undefined) return { answer: openAnswer(request, earlier), repeated: true };
    answer = await inCreation(row.carriedOut, work);
  } catch (error) {
    // Lost with the database, it may have been committed.
    if (isDatabaseAbsent(error)) settleUntilDone(dependencies, row);
    else await row.remove().catch(() => settleUntilDone(dependencies, row));
    throw error;
  }
  // It was done, whether a repetition will hear of it or not.
  await row.answer(answer).catch((error: unknown) => {
    settleUntilDone(dependencies, row);
    if (!isOfDatabase(error)) throw error;
  });
  return { answer, repeated: false };
}

function settleUntilDone({ clock }: Dependencies, row: Row): void {
  const endAt = clock.now() + ABANDONED_MS;
  const settle = (): void => {
    row.settle().catch(() => {
      if (clock.now() < endAt) setTimeout(settle, SETTLE_MS).unref();
    });
  };
  besideRequest(settle);
}

/** Returns the sealed answer of the same request, or undefined when the key is reserved for this one. */
async function reserve(
  { database: { db }, clock }: Dependencies,
  request: IdempotentRequest,
  rowId: string,
): Promise<string | undefined> {
  const { userId, key } = request;
  const hash = requestHash(request);
  const now = clock.now();
  // Those of others are the housekeeping's.
  await db
    .deleteFrom("idempotency_keys")
    .where("user_id", "=", userId)
    .where("key", "=", key)
    .where((eb) =>
      eb.or([
        eb("created_at", "<", now - KEPT_MS),
        eb("status", "=", RESERVED).and("created_at", "<", now - ABANDONED_MS),
      ]),
    )
    .execute();
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("idempotency_keys")
    .values({ user_id: userId, key, request_hash: hash, status: RESERVED, body: rowId, created_at: now })
    .onConflict((conflict) => conflict.columns(["user_id", "key"]).doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 1n) return undefined;
  const row = await db
    .selectFrom("idempotency_keys")
    .select(["request_hash", "status", "body", "created_at"])
    .where("user_id", "=", userId)
    .where("key", "=", key)
    .executeTakeFirst();
  if (row !== undefined && row.request_hash !== hash) {
    throw new AppError(
      "ERR_IDEMPOTENCY_KEY",
      "This Idempotency-Key was used for another request, or before signing in anew.",
      {
        remedy: "Use a new key for each request, and look whether the first one has done its work.",
      },
    );
  }
  const isAbandoned = row !== undefined && row.created_at < now - ABANDONED_MS;
  if (row?.status === UNANSWERED || (row?.status === CARRIED_OUT && isAbandoned)) throw unanswered();
  if (row === undefined || row.status === RESERVED || row.status === CARRIED_OUT) {
    throw new RetryLaterError(
      "ERR_IN_PROGRESS",
      "The first request with this Idempotency-Key is not finished.",
      RETRY_MS,
    );
  }
  return row.body;
}

interface Row {
  /** Stands in place of the answer until that is there: the row may be another request's by then. */
  readonly id: string;
  readonly carriedOut: (transaction: Transaction) => Promise<void>;
  readonly answer: (answer: StoredAnswer) => Promise<void>;
  readonly remove: () => Promise<void>;
  /** After the database was lost: frees the key when nothing was committed. */
  readonly settle: () => Promise<void>;
}

function rowOf({ database: { db } }: Dependencies, request: IdempotentRequest): Row {
  const { userId, key } = request;
  const id = randomUUID();
  const update = (using: Db, from: readonly number[], values: Partial<IdempotencyKeysTable>) =>
    using
      .updateTable("idempotency_keys")
      .set(values)
      .where("user_id", "=", userId)
      .where("key", "=", key)
      .where("body", "=", id)
      .where("status", "in", from)
      .execute();
  const remove = (from: readonly number[]) =>
    db
      .deleteFrom("idempotency_keys")
      .where("user_id", "=", userId)
      .where("key", "=", key)
      .where("body", "=", id)
      .where("status", "in", from)
      .execute();
  return {
    id,
    carriedOut: async (transaction) => {
      await update(transaction, [RESERVED], { status: CARRIED_OUT });
    },
    answer: async (answer) => {
      const values = { status: answer.status, body: sealAnswer(request, answer) };
      await update(db, [RESERVED, CARRIED_OUT], values);
    },
    remove: async () => {
      await remove([RESERVED, CARRIED_OUT]);
    },
    settle: async () => {
      await remove([RESERVED]);
      await update(db, [CARRIED_OUT], { status: UNANSWERED });
    },
  };
}

function unanswered(): AppError {
  return new AppError(
    "ERR_IDEMPOTENCY_KEY",
    "The first request with this Idempotency-Key was carried out, but its answer was lost.",
    { remedy: "Look for what it has made; use a new key to make another one." },
  );
}

function derived({ token }: IdempotentRequest, purpose: "request" | "answer"): Buffer {
  const info = `holdfast/http/1/idempotency/${purpose}`;
  return deriveKey(Buffer.from(token, "ascii"), new Uint8Array(0), info, KEY_BYTES);
}

function requestHash(request: IdempotentRequest): string {
  const text = JSON.stringify([request.method, request.path, request.body ?? null]);
  return hmacSha256(derived(request, "request"), Buffer.from(text, "utf8")).toString("hex");
}

function context({ userId, key }: IdempotentRequest): Buffer {
  return Buffer.from(JSON.stringify(["holdfast/http/1/idempotency", userId, key]), "utf8");
}

function sealAnswer(request: IdempotentRequest, answer: StoredAnswer): string {
  const text = Buffer.from(JSON.stringify(answer), "utf8");
  return sealBox(derived(request, "answer"), context(request), text).toString("base64");
}

function openAnswer(request: IdempotentRequest, sealed: string): StoredAnswer {
  const box = Buffer.from(sealed, "base64");
  const text = openBox(derived(request, "answer"), context(request), box, "the first answer");
  return storedAnswer.parse(JSON.parse(text.toString("utf8")));
}
