/**
 * The reads of a thread that has nothing but the main thread to ask, and says beforehand what it will read.
 *
 * A record is about a megabyte: asked for one at a time, the line would be idle for a round trip after each. Nothing is
 * fetched but what was named, since records of several files lie mixed in a pack.
 *
 * @module
 */
import { type ErrorRecord, freeBytes, fromErrorRecord } from "@holdfast/kernel";
import { isPassable } from "./record-reader.ts";

/** Of one fetch: neighbours are asked for together. */
const JOINED_BYTES_MAX = 4 * 1024 * 1024;
/** Fetched for nothing rather than by a request of its own. */
const GAP_BYTES_MAX = 64 * 1024;

export interface ObjectPart {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

export interface Fetch extends ObjectPart {
  readonly id: number;
}

export type FetchRequest =
  | { readonly fetch: readonly Fetch[] }
  /** The thread waits for it. */
  | { readonly hurry: number }
  /** Read, or not wanted any more. */
  | { readonly release: readonly number[] };

/** The memory of `bytes` is the thread's. */
export type FetchAnswer =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly failure: ErrorRecord };

/** A thread's line to the one that fetches. */
export interface FetchLine {
  send(request: FetchRequest): void;
  /** Waits for the next answer. @throws AppError `ERR_CANCELLED` when none will come. */
  receive(): FetchAnswer;
}

interface Expected {
  readonly fetch: Fetch;
  answer: FetchAnswer | undefined;
}

export class ExpectedReads {
  readonly #line: FetchLine;
  readonly #expected = new Map<number, Expected>();
  #nextId = 0;
  /** Given out by the last read as the last of its fetch. */
  #lastBytes: Uint8Array | undefined;

  constructor(line: FetchLine) {
    this.#line = line;
  }

  /** Has these parts fetched in their order, after those of earlier calls; disposing forgets what was not read of them. */
  expect(parts: readonly ObjectPart[]): Disposable {
    const added = this.#add(joined(parts.filter((part) => this.#find(part) === undefined)));
    return {
      [Symbol.dispose]: () => {
        this.#release(added.filter(({ id }) => this.#expected.has(id)));
      },
    };
  }

  /** Valid until the next call. @throws as `Storage.get`. */
  read(part: ObjectPart): Buffer {
    if (this.#lastBytes !== undefined) freeBytes(this.#lastBytes);
    this.#lastBytes = undefined;
    return this.#readFrom(this.#find(part) ?? this.#begin(part), part);
  }

  #readFrom(expected: Expected, part: ObjectPart): Buffer {
    const { fetch } = expected;
    const answer = this.#answerTo(expected);
    if ("failure" in answer) {
      this.#release([fetch]);
      const error = fromErrorRecord(answer.failure);
      // One of the joined parts may be damaged where this one is not.
      if (!isPassable(error) || isSame(fetch, part)) throw error;
      return this.#readFrom(this.#begin(part), part);
    }
    const { bytes } = answer;
    if (endOf(part) === endOf(fetch)) {
      this.#lastBytes = bytes;
      // Not before the next call, when the bytes have been read.
      this.#expected.delete(fetch.id);
      this.#line.send({ release: [fetch.id] });
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset + part.offset - fetch.offset, part.length);
  }

  #answerTo(expected: Expected): FetchAnswer {
    if (expected.answer === undefined) this.#line.send({ hurry: expected.fetch.id });
    while (expected.answer === undefined) {
      const answer = this.#line.receive();
      const receiver = this.#expected.get(answer.id);
      if (receiver !== undefined) receiver.answer = answer;
      else if ("bytes" in answer) freeBytes(answer.bytes);
    }
    return expected.answer;
  }

  #find(part: ObjectPart): Expected | undefined {
    for (const expected of this.#expected.values()) if (covers(expected.fetch, part)) return expected;
    return undefined;
  }

  #begin(part: ObjectPart): Expected {
    const expected = { fetch: { ...part, id: this.#nextId }, answer: undefined };
    this.#nextId += 1;
    this.#expected.set(expected.fetch.id, expected);
    this.#line.send({ fetch: [expected.fetch] });
    return expected;
  }

  #add(parts: readonly ObjectPart[]): readonly Fetch[] {
    const fetches = parts.map((part, index) => ({ ...part, id: this.#nextId + index }));
    this.#nextId += fetches.length;
    for (const fetch of fetches) this.#expected.set(fetch.id, { fetch, answer: undefined });
    if (fetches.length > 0) this.#line.send({ fetch: fetches });
    return fetches;
  }

  #release(fetches: readonly Fetch[]): void {
    for (const { id } of fetches) {
      const answer = this.#expected.get(id)?.answer;
      if (answer !== undefined && "bytes" in answer) freeBytes(answer.bytes);
      this.#expected.delete(id);
    }
    if (fetches.length > 0) this.#line.send({ release: fetches.map(({ id }) => id) });
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
