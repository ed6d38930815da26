import { type AppError, isAppError } from "@holdfast/kernel";
import { type ByteRange, PLAIN_STORAGE } from "../src/contract.ts";
import { MemoryStorage } from "../src/memory/memory-storage.ts";
import type { ObjectPage, RemoteDriver } from "../src/remote/driver.ts";

type Call = "put" | "get" | "list" | "stat" | "delete" | "free";

/** What to throw instead of, or after, a call. */
export interface Accident {
  readonly call: Call;
  readonly error: AppError;
  /** The call takes effect before the error. */
  readonly answerLost?: boolean;
}

const PAGE_OBJECTS = 3;

/** A driver in memory with accidents, one after the other. */
export class MemoryDriver implements RemoteDriver {
  readonly location = "memory://";
  readonly capabilities = PLAIN_STORAGE;
  readonly memory = new MemoryStorage();
  readonly calls: Call[] = [];
  readonly accidents: Accident[] = [];
  running = 0;
  runningMost = 0;

  async put(
    name: string,
    bytes: Uint8Array,
    _sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    return this.#run("put", signal, () => this.memory.put(name, bytes));
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    return this.#run("get", signal, () => this.memory.get(name, range));
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    return this.#run("list", signal, async () => {
      const from = Number(next ?? "0");
      const objects = await Array.fromAsync(this.memory.list(prefix));
      const end = from + PAGE_OBJECTS;
      return { objects: objects.slice(from, end), next: end < objects.length ? String(end) : undefined };
    });
  }

  async stat(name: string, signal: AbortSignal): ReturnType<RemoteDriver["stat"]> {
    return this.#run("stat", signal, () => this.memory.stat(name));
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    return this.#run("delete", signal, () => this.memory.delete(name));
  }

  async free(signal: AbortSignal): Promise<number | null> {
    return this.#run("free", signal, () => Promise.resolve(null));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.memory[Symbol.asyncDispose]();
  }

  async #run<T>(call: Call, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.calls.push(call);
    this.running += 1;
    this.runningMost = Math.max(this.runningMost, this.running);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      const accident = this.accidents[0]?.call === call ? this.accidents.shift() : undefined;
      if (accident !== undefined && accident.answerLost !== true) throw accident.error;
      const result = await work();
      if (accident !== undefined) throw accident.error;
      return result;
    } finally {
      this.running -= 1;
    }
  }
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => isAppError(error) && error.code === code;
}
