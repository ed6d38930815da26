/**
 * The worker threads of a backup: starts them, keeps each one busy, ends them.
 *
 * A worker that walks gets its next task while it is busy with the last one, so that it need not wait for the main
 * thread; one that reads a piece of a large file does not, because that takes long and others may be free earlier.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { deferMajorCollections, fromErrorRecord, threadEnded } from "@holdfast/kernel";
import type { MainMessage, Task, WorkerMessage } from "./messages.ts";
import type { WorkerSetup } from "./worker-setup.ts";

/** JavaScript objects of a worker are few; its memory is in buffers. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 };
/** What the walk of a large tree leaves between two collections; it takes about 15 MB at any time. */
const OLD_OBJECTS_MB = 48;
const QUEUED_MAX = 2;

interface Thread {
  readonly worker: Worker;
  readonly kinds: Task["kind"][];
}

export interface WorkerPoolEvents {
  /** May throw: that fails the pool. */
  readonly onMessage: (message: WorkerMessage) => void;
  /** Called once; nothing else is called afterwards. */
  readonly onFailure: (error: unknown) => void;
}

export class WorkerPool {
  readonly #threads: readonly Thread[];
  #events: WorkerPoolEvents | undefined;
  /** What came before anybody listened. */
  #early: unknown;
  #failed = false;
  #ending = false;

  /** Starts the threads; while they load their code, the main thread can do other things. */
  constructor(size: number) {
    deferMajorCollections(OLD_OBJECTS_MB);
    this.#threads = Array.from({ length: size }, () => this.#start());
  }

  /** Gives each worker what it needs, and listens from now on. */
  begin(setups: readonly WorkerSetup[], events: WorkerPoolEvents): void {
    this.#events = events;
    for (const [index, { worker }] of this.#threads.entries()) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(setups[index]);
    }
    if (this.#failed) events.onFailure(this.#early);
  }

  get size(): number {
    return this.#threads.length;
  }

  /** Tasks that could be given out now without one having to wait behind another. */
  get idle(): number {
    return this.#threads.filter(({ kinds }) => kinds.length === 0).length;
  }

  /** Gives out tasks until every worker has enough or `next` has none. */
  dispatch(next: () => Task | undefined): void {
    for (let depth = 0; depth < QUEUED_MAX; depth += 1) {
      for (const thread of this.#threads) {
        if (thread.kinds.length !== depth || thread.kinds.includes("piece")) continue;
        const task = next();
        if (task === undefined) return;
        thread.kinds.push(task.kind);
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        thread.worker.postMessage(task);
      }
    }
  }

  broadcast(message: MainMessage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads, not windows
    for (const { worker } of this.#threads) worker.postMessage(message);
  }

  /** After {@link broadcast} of `finish`: workers may end. */
  expectEnd(): void {
    this.#ending = true;
  }

  async terminate(): Promise<void> {
    this.#failed = true;
    await Promise.all(this.#threads.map(async ({ worker }) => worker.terminate()));
  }

  #start(): Thread {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      resourceLimits: HEAP_LIMITS,
      env: workerEnvironment(),
      stdin: false,
    });
    const thread: Thread = { worker, kinds: [] };
    worker.on("message", (message: WorkerMessage) => {
      this.#receive(thread, message);
    });
    worker.on("error", (error) => {
      this.#fail(error);
    });
    worker.on("exit", (code) => {
      if (!this.#ending || code !== 0) this.#fail(threadEnded("backup"));
    });
    return thread;
  }

  #receive(thread: Thread, message: WorkerMessage): void {
    if (this.#failed) return;
    if (message.kind === "walked" || message.kind === "piece") thread.kinds.shift();
    if (message.kind === "failed") {
      this.#fail(fromErrorRecord(message.error));
      return;
    }
    try {
      this.#events?.onMessage(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#early = error;
    this.#events?.onFailure(error);
  }
}

/** The environment may hold the repository's key: a worker gets only where compiled code is kept. */
function workerEnvironment(): Record<string, string> {
  const folder = process.env["NODE_COMPILE_CACHE"];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}
