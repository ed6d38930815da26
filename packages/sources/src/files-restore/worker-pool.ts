/**
 * The threads of a restore: hands them tasks, bounds how many wait, and stops them all when one fails.
 *
 * @module
 */
import { type Transferable, Worker } from "node:worker_threads";
import { fromErrorRecord, limitYoungObjects, threadEnded } from "@holdfast/kernel";
import { type OfferedObjects, offerObjects } from "@holdfast/repository";
import type { Storage } from "@holdfast/storage";
import type {
  EntriesTask,
  EntriesDone,
  RangeDone,
  RangeTask,
  Reply,
  Task,
  WorkerMessage,
  WorkerSetup,
} from "./messages.ts";

/** Per worker: one in work and some that wait, so that none is idle while the main thread reads pages. */
const TASKS_PER_WORKER = 4;
/** JavaScript objects of a worker are few and short-lived; its memory is in buffers. */
const YOUNG_OBJECTS_MB = 2;

interface Seat {
  readonly worker: Worker;
  readonly objects: OfferedObjects;
  readonly ended: Promise<void>;
  /** What to do with the answers, in the order of the tasks. */
  readonly waiting: ((done: EntriesDone | RangeDone) => void)[];
}

export class WorkerPool {
  readonly #seats: Seat[] = [];
  readonly #newSeat: () => Seat;
  readonly #seatsMax: number;
  readonly #stop: Int32Array;
  #failure: Error | undefined;
  /** Wakes whoever waits for room or for the end. */
  #wake: () => void = () => undefined;

  constructor(
    storage: Storage,
    setup: Omit<WorkerSetup, "objects" | "stop">,
    count: number,
    signal: AbortSignal | undefined,
  ) {
    limitYoungObjects(YOUNG_OBJECTS_MB);
    const stop = new SharedArrayBuffer(4);
    this.#stop = new Int32Array(stop);
    this.#newSeat = () => this.#start(storage, { ...setup, stop }, signal);
    this.#seatsMax = count;
  }

  /** Waits until there is room, then gives the task to the thread with the least to do. @throws what a thread threw. */
  async submitEntries(task: EntriesTask, onDone: (done: EntriesDone) => void): Promise<void> {
    await this.#submit(task, [task.sections.buffer], (done) => {
      if (done.kind === "done") onDone(done);
    });
  }

  /** As {@link submitEntries}. */
  async submitRange(task: RangeTask, onDone: (done: RangeDone) => void): Promise<void> {
    await this.#submit(task, [task.offsets.buffer, task.lengths.buffer, task.ids.buffer], (done) => {
      if (done.kind === "range-done") onDone(done);
    });
  }

  /** Waits until every task is done. @throws what a thread threw. */
  async drain(): Promise<void> {
    while (this.#seats.some((seat) => seat.waiting.length > 0)) {
      this.#throwIfFailed();
      await this.#changed();
    }
    this.#throwIfFailed();
  }

  /** Makes {@link submit} and {@link drain} throw, also those that wait. */
  fail(error: Error): void {
    this.#failure ??= error;
    Atomics.store(this.#stop, 0, 1);
    this.#wake();
  }

  /** Ends the threads: at once when the restore has failed, else with nothing left to do. */
  async close(): Promise<void> {
    for (const seat of this.#seats) post(seat.worker, { kind: "close" });
    // A thread that waits for the storage would wait for ever once nobody answers.
    if (this.#failure !== undefined) for (const seat of this.#seats) seat.objects[Symbol.dispose]();
    await Promise.all(this.#seats.map((seat) => seat.ended));
    for (const seat of this.#seats) seat.objects[Symbol.dispose]();
  }

  async #submit(
    task: Task,
    transfer: readonly ArrayBuffer[],
    onDone: Seat["waiting"][number],
  ): Promise<void> {
    for (;;) {
      this.#throwIfFailed();
      const seat = this.#freest();
      if (seat.waiting.length < TASKS_PER_WORKER) {
        seat.waiting.push(onDone);
        post(seat.worker, task, transfer);
        return;
      }
      await this.#changed();
    }
  }

  /** Starts a thread only when the others have something to do: a small restore needs one. */
  #freest(): Seat {
    const [seat] = this.#seats.toSorted((a, b) => a.waiting.length - b.waiting.length);
    if (seat !== undefined && (seat.waiting.length === 0 || this.#seats.length >= this.#seatsMax))
      return seat;
    const started = this.#newSeat();
    this.#seats.push(started);
    return started;
  }

  #start(storage: Storage, setup: Omit<WorkerSetup, "objects">, signal: AbortSignal | undefined): Seat {
    const objects = offerObjects(storage, signal);
    const { source } = objects;
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    const ports = source.kind === "requests" ? [source.port] : [];
    post(worker, { kind: "setup", setup: { ...setup, objects: source } }, ports);
    const waiting: Seat["waiting"] = [];
    worker.on("message", (reply: Reply) => {
      this.#receive(waiting, reply);
    });
    worker.on("error", (error) => {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    });
    const ended = new Promise<void>((resolve) => {
      worker.on("exit", () => {
        if (waiting.length > 0) this.fail(threadEnded("restore"));
        resolve();
      });
    });
    return { worker, objects, ended, waiting };
  }

  #receive(waiting: Seat["waiting"], reply: Reply): void {
    const onDone = waiting.shift();
    if (reply.kind === "failed") {
      this.fail(fromErrorRecord(reply.error));
      return;
    }
    try {
      onDone?.(reply);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#wake();
  }

  #changed(): Promise<void> {
    return new Promise<void>((resolve) => {
      const previous = this.#wake;
      this.#wake = () => {
        this.#wake = () => undefined;
        previous();
        resolve();
      };
    });
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function post(worker: Worker, message: WorkerMessage, transfer: readonly Transferable[] = []): void {
  worker.postMessage(message, [...transfer]);
}
