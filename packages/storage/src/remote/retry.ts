/**
 * Tries again what may have failed by accident, with pauses that grow and are drawn at random ("full jitter": Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that many clients do not come back all at once.
 *
 * @module
 */
import { AppError, type Clock, type ErrorCode, isAppError, type Randomness } from "@holdfast/kernel";

const PAUSE_FIRST_MS = 200;
const PAUSE_MAX_MS = 15_000;
/** A storage that says it is asked too often is asked less often. */
const PAUSE_THROTTLED_MS = 1000;
const REPEATED: ReadonlySet<ErrorCode> = new Set([
  "ERR_STORAGE_UNREACHABLE",
  "ERR_STORAGE_TIMEOUT",
  "ERR_STORAGE_THROTTLED",
  "ERR_STORAGE_FAILED",
]);

export interface RetryPorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export interface RetryOptions extends RetryPorts {
  /** No new attempt begins so many milliseconds after the first one failed. A long transfer does not use it up. */
  readonly deadlineMs: number;
  /** Shared by all calls to a storage, so that they give up together and not one after the other. */
  readonly outage?: Outage;
  readonly signal: AbortSignal;
  /** Told before refused credentials are asked for again. */
  readonly onRefused?: (() => void) | undefined;
}

const UNANSWERED: ReadonlySet<ErrorCode> = new Set(["ERR_STORAGE_UNREACHABLE", "ERR_STORAGE_TIMEOUT"]);

/** Since when a storage has not answered any call. */
export class Outage {
  #firstMs: number | undefined;
  #lastMs = 0;

  /** What was asked was answered, be it by a refusal. */
  end(): void {
    this.#firstMs = undefined;
  }

  /**
   * Takes note of a call without an answer.
   *
   * @returns when the first of them failed. Nobody asked for longer than `deadlineMs`: that was another outage.
   */
  note(nowMs: number, deadlineMs: number): number {
    if (this.#firstMs === undefined || nowMs - this.#lastMs > deadlineMs) this.#firstMs = nowMs;
    this.#lastMs = nowMs;
    return this.#firstMs;
  }
}

/**
 * Runs `attempt` until it succeeds, fails for good, or the deadline has passed. Refused credentials are tried once more,
 * because the driver asks for them again.
 *
 * @param attempt gets the number of attempts before it.
 * @throws what the last attempt threw, with the number of attempts in its message.
 */
export async function withRetries<T>(
  attempt: (before: number) => Promise<T>,
  { clock, randomness, deadlineMs, signal, outage = new Outage(), onRefused }: RetryOptions,
): Promise<T> {
  let failedMs = Number.POSITIVE_INFINITY;
  let refused = false;
  for (let before = 0; ; before += 1) {
    try {
      const result = await attempt(before);
      outage.end();
      return result;
    } catch (error) {
      if (!isAppError(error) || signal.aborted) throw error;
      const nowMs = clock.monotonic();
      if (UNANSWERED.has(error.code)) failedMs = Math.min(failedMs, outage.note(nowMs, deadlineMs));
      else outage.end();
      failedMs = Math.min(failedMs, nowMs);
      if (error.code === "ERR_STORAGE_CREDENTIALS" && !refused) {
        refused = true;
        onRefused?.();
        continue;
      }
      if (!REPEATED.has(error.code)) throw error;
      const pauseMs = pauseAfter(error, before, randomness);
      const tookMs = nowMs - failedMs;
      if (tookMs + pauseMs > deadlineMs) throw gaveUp(error, before + 1, tookMs);
      await clock.sleep(pauseMs, signal);
    }
  }
}

function pauseAfter(error: AppError, before: number, randomness: Randomness): number {
  const most = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** before);
  const share = randomness(Buffer.alloc(4)).readUInt32LE(0) / 0x1_0000_0000;
  return share * most + (error.code === "ERR_STORAGE_THROTTLED" ? PAUSE_THROTTLED_MS : 0);
}

/** @param tookMs since the storage answered nobody any more, or this call failed first. */
function gaveUp(error: AppError, attempts: number, tookMs: number): AppError {
  const seconds = `${String(Math.round(tookMs / 1000))} s`;
  if (attempts === 1 && tookMs < 1000) return error;
  const ending =
    attempts === 1
      ? `Nothing was answered for ${seconds}.`
      : `Gave up after ${String(attempts)} attempts in ${seconds}.`;
  return new AppError(error.code, `${error.message} ${ending}`, {
    ...(error.subject === undefined ? {} : { subject: error.subject }),
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    cause: error,
  });
}
