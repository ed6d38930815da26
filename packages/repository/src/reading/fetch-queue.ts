/**
 * Fetches from a storage what one thread has said it will read: in its order, as much at once as memory allows.
 *
 * @module
 */
import { freeBytes } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { Fetch } from "./expected-reads.ts";

/** Fetched and not read yet. A thread that has 8 MiB before it (one task of a restore) gets the next task's meanwhile. */
const FETCHED_BYTES_MAX = 12 * 1024 * 1024;

export interface FetchReceiver {
  /** The memory is the receiver's. */
  arrived(id: number, bytes: Buffer): void;
  failed(id: number, error: unknown): void;
}

export class FetchQueue {
  readonly #storage: Storage;
  readonly #signal: AbortSignal | undefined;
  readonly #receiver: FetchReceiver;
  readonly #waiting = new Map<number, Fetch>();
  /** Lengths of what was begun and not released. */
  readonly #begun = new Map<number, number>();
  #begunBytes = 0;

  constructor(storage: Storage, signal: AbortSignal | undefined, receiver: FetchReceiver) {
    this.#storage = storage;
    this.#signal = signal;
    this.#receiver = receiver;
  }

  add(fetches: readonly Fetch[]): void {
    for (const fetch of fetches) this.#waiting.set(fetch.id, fetch);
    this.#advance();
  }

  /** Somebody waits for it already, and so not for room. */
  hurry(id: number): void {
    const fetch = this.#waiting.get(id);
    if (fetch !== undefined) this.#begin(fetch);
  }

  /** It was read, or nobody wants it any more: then it will not arrive. */
  release(ids: readonly number[]): void {
    for (const id of ids) {
      this.#waiting.delete(id);
      this.#begunBytes -= this.#begun.get(id) ?? 0;
      this.#begun.delete(id);
    }
    this.#advance();
  }

  clear(): void {
    this.#waiting.clear();
    this.#begun.clear();
  }

  #advance(): void {
    for (const fetch of this.#waiting.values()) {
      if (this.#begunBytes + fetch.length > FETCHED_BYTES_MAX) return;
      this.#begin(fetch);
    }
  }

  #begin(fetch: Fetch): void {
    this.#waiting.delete(fetch.id);
    this.#begun.set(fetch.id, fetch.length);
    this.#begunBytes += fetch.length;
    void this.#fetch(fetch);
  }

  async #fetch({ id, name, offset, length }: Fetch): Promise<void> {
    try {
      const bytes = await this.#storage.get(name, { offset, length }, this.#signal);
      if (this.#begun.has(id)) this.#receiver.arrived(id, bytes);
      else freeBytes(bytes);
    } catch (error) {
      if (this.#begun.has(id)) this.#receiver.failed(id, error);
    }
  }
}
