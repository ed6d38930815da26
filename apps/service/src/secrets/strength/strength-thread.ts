/**
 * Has a thread estimate how hard a value is to guess, one value after the other. The thread is started when it is needed, and
 * ended when it was not for a while, or takes too much. Nothing of what it is given is kept.
 *
 * What a value may take is counted in time of a processor: on a machine that is busy with something else the thread gets none for
 * long, and to begin again from its start would take still longer.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { AppError } from "@holdfast/kernel";
import { RetryLaterError } from "../../http/problems.ts";
import { ESTIMATED_CHARACTERS_MAX, type Estimate } from "./messages.ts";
import { watchProcessor } from "./processor-time.ts";

export interface StrengthThreadOptions {
  /** What an answer may take of a processor, the thread's start included. Default: 20 seconds. */
  readonly processorMs?: number;
  /** By the clock. Default: 5 minutes. */
  readonly answerMs?: number;
  /** Default: a minute. */
  readonly idleMs?: number;
}

const PROCESSOR_MS = 20_000;
/** Only a thread that stands still for good. */
const ANSWER_MS = 5 * 60_000;
const IDLE_MS = 60_000;
const WAITING_MAX = 20;
const RETRY_MS = 3000;
const MEMORY_MB_MAX = 256;

export type EstimateText = (text: string) => Promise<Estimate>;

/** The function throws `ERR_TOO_MANY_ATTEMPTS` when too many wait, `ERR_INTERNAL` when the thread fails. */
export function createStrengthThread(options: StrengthThreadOptions = {}): EstimateText {
  const { idleMs = IDLE_MS } = options;
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  const end = (): void => {
    void thread?.terminate();
    thread = undefined;
  };
  const start = (): Worker => {
    const started = new Worker(new URL("./worker.ts", import.meta.url), {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB_MAX },
    });
    started.unref();
    // Between two answers nobody else listens: an error that nobody hears would end the service.
    started
      .on("error", () => undefined)
      .once("exit", () => {
        if (thread === started) thread = undefined;
      });
    thread = started;
    return started;
  };
  const ask = async (text: string): Promise<Estimate> => {
    clearTimeout(idle);
    try {
      return await answerOf(thread ?? start(), text, options);
    } catch (error) {
      end();
      throw error;
    } finally {
      idle = setTimeout(end, idleMs).unref();
    }
  };
  return async (text) => {
    if (waiting >= WAITING_MAX) {
      throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", "Too many values are estimated at once.", RETRY_MS);
    }
    waiting += 1;
    const answer = last.then(
      () => ask(text),
      () => ask(text),
    );
    last = answer;
    try {
      return await answer;
    } finally {
      waiting -= 1;
    }
  };
}

async function answerOf(
  thread: Worker,
  text: string,
  { processorMs = PROCESSOR_MS, answerMs = ANSWER_MS }: StrengthThreadOptions,
): Promise<Estimate> {
  const { promise, resolve, reject } = Promise.withResolvers<Estimate>();
  const fail = (cause: unknown): void =>
    reject(
      new AppError("ERR_INTERNAL", "The strength of the value could not be estimated.", {
        remedy: "Try again; the log of the service says more.",
        cause,
      }),
    );
  const onExit = (): void => fail(undefined);
  const timer = setTimeout(onExit, answerMs);
  using _ = watchProcessor(thread, processorMs, onExit);
  thread.once("message", resolve).once("error", fail).once("exit", onExit);
  try {
    // Its own copy, which the thread overwrites: only so much as it looks at.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(Buffer.from(Array.from(text).slice(0, ESTIMATED_CHARACTERS_MAX).join(""), "utf8"));
    return await promise;
  } finally {
    clearTimeout(timer);
    thread.off("message", resolve).off("error", fail).off("exit", onExit);
  }
}
