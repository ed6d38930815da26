/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a creation that is sent again, because its answer was
 * lost, gets the first answer and creates nothing.
 *
 * The database learns neither request nor answer: both are bound to the token that the caller signs in with, of which it has
 * only a hash. Another session cannot repeat.
 *
 * A process that dies between a creation and its answer leaves a reservation, which another request may take over after
 * {@link ABANDONED_MS}: then the creation happens again.
 *
 * @module
 */
import { deriveKey, hmacSha256, openBox, sealBox } from "@holdfast/crypto";
import { AppError, type Clock } from "@holdfast/kernel";
import { z } from "zod";
import type { Database } from "../database/database.ts";
import { InputError, RetryLaterError } from "./problems.ts";

export const KEPT_MS = 24 * 60 * 60_000;
const ABANDONED_MS = 10 * 60_000;
const RETRY_MS = 2000;
const KEY = /^[\u0021-\u007e]{1,255}$/u;
const KEY_BYTES = 32;
/** Of a request that is not finished. */
const RESERVED = 0;

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
 * @throws AppError `ERR_IDEMPOTENCY_KEY`, `ERR_IN_PROGRESS`, and what `work` throws, after which the key is free again.
 */
export async function runOnce(
  dependencies: Dependencies,
  request: IdempotentRequest,
  work: () => Promise<StoredAnswer>,
): Promise<{ readonly answer: StoredAnswer; readonly repeated: boolean }> {
  const hash = requestHash(request);
  const earlier = await reserve(dependencies, request, hash);
  if (earlier !== undefined) return { answer: openAnswer(request, earlier), repeated: true };
  const row = rowOf(dependencies, request);
  try {
    const answer = await work();
    await row.update({ status: answer.status, body: sealAnswer(request, answer) });
    return { answer, repeated: false };
  } catch (error) {
    await row.remove();
    throw error;
  }
}

/** Returns the sealed answer of the same request, or undefined when the key is reserved for this one. */
async function reserve(
  { database: { db }, clock }: Dependencies,
  { userId, key }: IdempotentRequest,
  hash: string,
): Promise<string | undefined> {
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
    .values({ user_id: userId, key, request_hash: hash, status: RESERVED, body: "", created_at: now })
    .onConflict((conflict) => conflict.columns(["user_id", "key"]).doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 1n) return undefined;
  const row = await db
    .selectFrom("idempotency_keys")
    .select(["request_hash", "status", "body"])
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
  if (row === undefined || row.status === RESERVED) {
    throw new RetryLaterError(
      "ERR_IN_PROGRESS",
      "The first request with this Idempotency-Key is not finished.",
      RETRY_MS,
    );
  }
  return row.body;
}

function rowOf({ database: { db } }: Dependencies, { userId, key }: IdempotentRequest) {
  return {
    update: async (values: { readonly status: number; readonly body: string }): Promise<void> => {
      await db
        .updateTable("idempotency_keys")
        .set(values)
        .where("user_id", "=", userId)
        .where("key", "=", key)
        .execute();
    },
    remove: async (): Promise<void> => {
      await db.deleteFrom("idempotency_keys").where("user_id", "=", userId).where("key", "=", key).execute();
    },
  };
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
