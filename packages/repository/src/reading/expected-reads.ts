/**
 * Fetches from a remote storage what a thread has said it will read, before it asks for it.
 *
 * A record is about a megabyte: asked for one at a time, the line would be idle for a round trip after each. Nothing is
 * fetched but what was named, since records of several files lie mixed in a pack.
 *
 * @module
 */
import { freeBytes } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { isPassable } from "./record-reader.ts";

/** Of one thread. One task of a restore is less. */
const FETCHED_BYTES_MAX = 16 * 1024 * 1024;
/** Of one request: neighbours are asked for together. */
const JOINED_BYTES_MAX = 4 * 1024 * 1024;
/** Fetched for nothing rather than by a request of its own. */
const GAP_BYTES_MAX = 64 * 1024;

export interface ObjectPart {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

interface Fetch {
  readonly part: ObjectPart;
  readonly bytes: Promise<Buffer>;
}

/** The reads of one thread, which come one after the other. */
export class ExpectedReads {
  readonly #storage: Storage;
  readonly #signal: AbortSignal | undefined;
  #waiting: ObjectPart[] = [];
  #fetches: Fetch[] = [];
  #fetchedBytes = 0;

  constructor(storage: Storage, signal: AbortSignal | undefined) {
    this.#storage = storage;
    this.#signal = signal;
  }

  /** Begins to fetch these parts in their order, and forgets those that were expected before and never read. */
  expect(parts: readonly ObjectPart[]): void {
    for (const fetch of this.#fetches) this.#drop(fetch);
    this.#fetches = [];
    this.#waiting = joined(parts);
    this.#advance();
  }

  /** Copies the part to the start of `into`. @throws as `Storage.get`. */
  async read(part: ObjectPart, into: Uint8Array): Promise<void> {
    const fetch = this.#fetches.find((one) => covers(one.part, part)) ?? this.#beginFor(part);
    if (fetch === undefined) return this.#readAlone(part, into);
    let bytes: Buffer;
    try {
      bytes = await fetch.bytes;
    } catch (error) {
      this.#release(fetch);
      // One of the joined parts may be damaged where this one is not.
      if (!isPassable(error) || isSame(fetch.part, part)) throw error;
      return this.#readAlone(part, into);
    }
    const start = part.offset - fetch.part.offset;
    into.set(bytes.subarray(start, start + part.length));
    if (endOf(part) === endOf(fetch.part)) this.#release(fetch);
    return undefined;
  }

  async #readAlone({ name, offset, length }: ObjectPart, into: Uint8Array): Promise<void> {
    const bytes = await this.#storage.get(name, { offset, length }, this.#signal);
    into.set(bytes);
    freeBytes(bytes);
  }

  /** Whoever asks already does not wait for room. */
  #beginFor(part: ObjectPart): Fetch | undefined {
    const index = this.#waiting.findIndex((one) => covers(one, part));
    if (index < 0) return undefined;
    return this.#waiting.splice(index, 1).map((one) => this.#begin(one))[0];
  }

  #advance(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || this.#fetchedBytes + next.length > FETCHED_BYTES_MAX) return;
      this.#waiting.shift();
      this.#begin(next);
    }
  }

  #begin(part: ObjectPart): Fetch {
    const { name, offset, length } = part;
    const fetch: Fetch = { part, bytes: this.#storage.get(name, { offset, length }, this.#signal) };
    // Told to whoever reads it; nobody may.
    fetch.bytes.catch(() => undefined);
    this.#fetches.push(fetch);
    this.#fetchedBytes += length;
    return fetch;
  }

  #release(fetch: Fetch): void {
    const index = this.#fetches.indexOf(fetch);
    if (index < 0) return;
    this.#fetches.splice(index, 1);
    this.#drop(fetch);
    this.#advance();
  }

  #drop({ part, bytes }: Fetch): void {
    this.#fetchedBytes -= part.length;
    void bytes.then(freeBytes, () => undefined);
  }
}

/** Neighbours that follow each other become one. */
function joined(parts: readonly ObjectPart[]): ObjectPart[] {
  const result: ObjectPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (last === undefined || !isNeighbour(last, part)) result.push(part);
    else result[result.length - 1] = { ...last, length: endOf(part) - last.offset };
  }
  return result;
}

function isNeighbour(one: ObjectPart, next: ObjectPart): boolean {
  const gap = next.offset - endOf(one);
  if (one.name !== next.name || gap < 0 || gap > GAP_BYTES_MAX) return false;
  return endOf(next) - one.offset <= JOINED_BYTES_MAX;
}

function covers(one: ObjectPart, part: ObjectPart): boolean {
  return one.name === part.name && one.offset <= part.offset && endOf(one) >= endOf(part);
}

function isSame(one: ObjectPart, other: ObjectPart): boolean {
  return one.offset === other.offset && one.length === other.length;
}

function endOf({ offset, length }: ObjectPart): number {
  return offset + length;
}
