/**
 * Moves what the log (WAL) of SQLite holds into the database file, in a thread: it takes two syncs and writes all over the file, for
 * which a commit would stop the service otherwise.
 *
 * @module
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { z } from "zod";

/** Where the log stands: pages in it, and those of them that are in the database file. */
export interface LogState {
  readonly log: number;
  readonly checkpointed: number;
}

/** The row that `PRAGMA wal_checkpoint` answers. */
export const logState: z.ZodType<LogState> = z.object({ log: z.number(), checkpointed: z.number() });

const logStates = z.tuple([logState]);

export interface Checkpoints {
  /** Something was written: it is looked at within a second. */
  readonly later: () => void;
  readonly close: () => Promise<void>;
}

const LOOK_MS = 1000;
/** 4 MiB with pages of 4 KiB: what SQLite itself takes for its limit. */
const LOG_PAGES = 1000;
/** 32 MiB: the log begins anew only when all of it is in the file, and so nobody writes meanwhile. */
const LOG_PAGES_MAX = 8 * LOG_PAGES;

/**
 * @param state of the log.
 * @param alone lets nobody else use the database until the work is done.
 */
export function createCheckpoints(
  path: string,
  state: () => Promise<LogState>,
  alone: (work: () => Promise<unknown>) => Promise<unknown>,
): Checkpoints {
  let timer: NodeJS.Timeout | undefined;
  let thread: Worker | undefined;
  let running = Promise.resolve();
  let isClosed = false;

  const start = (): Worker => {
    const started = new Worker(new URL("./checkpoint-worker.ts", import.meta.url), {
      workerData: path,
      env: {},
    });
    started.once("exit", () => {
      thread = undefined;
    });
    started.on("error", () => undefined);
    started.unref();
    return started;
  };
  const checkpoint = async (): Promise<LogState> => {
    thread ??= start();
    thread.ref();
    const answered = once(thread, "message");
    thread.postMessage("checkpoint", []);
    const [answer] = logStates.parse(await answered);
    thread.unref();
    return answer;
  };
  const look = async (): Promise<void> => {
    if ((await state()).log < LOG_PAGES) return;
    await checkpoint();
    // With what was written meanwhile.
    const { log, checkpointed } = await state();
    if (log >= LOG_PAGES_MAX && checkpointed < log) await alone(checkpoint);
  };
  // What fails leaves a log that grows: the next look tries again, and SQLite itself when it has become large.
  const run = (): Promise<void> => look().catch(() => undefined);
  return {
    later: () => {
      if (isClosed) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        running = running.then(run);
      }, LOOK_MS).unref();
    },
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await running;
      await thread?.terminate();
    },
  };
}
