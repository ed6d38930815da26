/**
 * Reads all packs and index segments once and has threads check them.
 *
 * The main thread brings objects into slots of shared memory, some ahead of the threads; a thread never waits for a disk or
 * a network. Memory is the slots: as many as threads, and two more.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { fromErrorRecord, isAppError, threadEnded } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { PACK_BYTES_MAX } from "../packs/pack-format.ts";
import type { DirectorySumValues } from "./directory-sum.ts";
import type { CheckTask, VerifyMessage, VerifyReply, VerifySetup } from "./messages.ts";
import type { ListedObject } from "./object-list.ts";
import { SlotReader } from "./read-into-slot.ts";

const WORKERS_MAX = 4;
const SLOTS_AHEAD = 1;
const PAGE_BYTES = 65_536;

export interface ObjectPassOptions {
  readonly setup: Omit<VerifySetup, "kind" | "slots">;
  readonly workers?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What was found out about one object. */
export interface CheckedObject {
  readonly object: ListedObject;
  /** Bytes that were read; 0 when it is gone. */
  readonly bytes: number;
  /** Empty when nothing is wrong. */
  readonly problems: readonly string[];
  readonly sum: DirectorySumValues | undefined;
  /** It was listed, but is not there any more. */
  readonly gone: boolean;
}

/** Checks every object and tells one by one; ends its threads in any case. @throws AppError of the storage. */
export async function checkObjects(
  storage: Storage,
  objects: readonly ListedObject[],
  options: ObjectPassOptions,
  onChecked: (checked: CheckedObject) => void,
): Promise<void> {
  if (objects.length === 0) return;
  const pass = new ObjectPass(storage, objects.length, options, onChecked);
  try {
    await pass.run(objects);
  } finally {
    await pass.close();
  }
}

interface Seat {
  readonly worker: Worker;
  readonly ended: Promise<unknown>;
  readonly waiting: ((reply: VerifyReply) => void)[];
}

class ObjectPass {
  readonly #reader: SlotReader;
  readonly #onChecked: (checked: CheckedObject) => void;
  readonly #slots: readonly WebAssembly.Memory[];
  readonly #free: number[];
  readonly #seats: readonly Seat[];
  readonly #running = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(
    storage: Storage,
    count: number,
    options: ObjectPassOptions,
    onChecked: (checked: CheckedObject) => void,
  ) {
    const workers = Math.min(count, options.workers ?? Math.min(WORKERS_MAX, availableParallelism()));
    this.#reader = new SlotReader(storage, options.signal);
    this.#onChecked = onChecked;
    this.#slots = Array.from({ length: workers + SLOTS_AHEAD }, newSlot);
    this.#free = this.#slots.map((_, slot) => slot);
    const setup: VerifySetup = { kind: "setup", ...options.setup, slots: this.#slots };
    this.#seats = Array.from({ length: workers }, () => this.#start(setup));
  }

  async run(objects: Iterable<ListedObject>): Promise<void> {
    for (const object of objects) {
      while (this.#free.length === 0 && this.#failure === undefined) await Promise.race(this.#running);
      if (this.#failure !== undefined) break;
      const slot = this.#free.pop() ?? 0;
      const checking = this.#check(object, slot).finally(() => {
        this.#free.push(slot);
        this.#running.delete(checking);
      });
      this.#running.add(checking);
    }
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    for (const seat of this.#seats) post(seat.worker, { kind: "close" });
    await Promise.all(this.#seats.map((seat) => seat.ended));
  }

  /** Never rejects: a failure is kept for {@link run}. */
  async #check(object: ListedObject, slot: number): Promise<void> {
    try {
      this.#onChecked(await this.#checked(object, slot));
    } catch (error) {
      this.#fail(error);
    }
  }

  async #checked(object: ListedObject, slot: number): Promise<CheckedObject> {
    if (object.size > PACK_BYTES_MAX) return damaged(object, "It is longer than any object of its kind.");
    let length: number;
    try {
      length = await this.#reader.read(object.name, object.size, this.#view(slot));
    } catch (error) {
      if (isAppError(error, "ERR_DAMAGED")) return damaged(object, error.message);
      if (!isAppError(error, "ERR_STORAGE_NOT_FOUND")) throw error;
      return { object, bytes: 0, problems: [], sum: undefined, gone: true };
    }
    const { name, kind } = object;
    const reply = await this.#ask({
      kind: "check",
      name,
      object: kind === "index" ? "index" : "pack",
      slot,
      length,
    });
    return { object, bytes: length, problems: reply.problems, sum: reply.sum, gone: false };
  }

  #view(slot: number): Buffer {
    const memory = this.#slots[slot];
    if (memory === undefined) throw new Error("there is no such slot");
    return Buffer.from(memory.buffer);
  }

  async #ask(task: CheckTask): Promise<VerifyReply & { readonly kind: "done" }> {
    const seat = this.#seats.toSorted((a, b) => a.waiting.length - b.waiting.length)[0];
    if (seat === undefined) throw new Error("a verification has no threads");
    const reply = await new Promise<VerifyReply>((resolve) => {
      seat.waiting.push(resolve);
      post(seat.worker, task);
    });
    if (reply.kind === "failed") throw fromErrorRecord(reply.error);
    return reply;
  }

  #start(setup: VerifySetup): Seat {
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    const waiting: Seat["waiting"] = [];
    const failAll = (error: unknown): void => {
      this.#fail(error);
      const message = error instanceof Error ? error.message : String(error);
      const record = { code: "ERR_FAILED", message, subject: undefined, remedy: undefined } as const;
      for (const resolve of waiting.splice(0)) resolve({ kind: "failed", error: record });
    };
    worker.on("message", (reply: VerifyReply) => {
      const resolve = waiting.shift();
      // Without a task it is the setup that failed.
      if (resolve !== undefined) resolve(reply);
      else if (reply.kind === "failed") this.#fail(fromErrorRecord(reply.error));
    });
    worker.on("error", failAll);
    const ended = new Promise((resolve) => {
      worker.on("exit", () => {
        if (waiting.length > 0) failAll(threadEnded("verification"));
        resolve(undefined);
      });
    });
    post(worker, setup);
    return { worker, ended, waiting };
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }
}

/** WebAssembly memory, because its pages are aligned for direct reads; what is not used of it takes no memory. */
function newSlot(): WebAssembly.Memory {
  const pages = PACK_BYTES_MAX / PAGE_BYTES + 1;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

function damaged(object: ListedObject, problem: string): CheckedObject {
  return { object, bytes: 0, problems: [problem], sum: undefined, gone: false };
}

function post(worker: Worker, message: VerifyMessage): void {
  worker.postMessage(message, []);
}
