/**
 * Segments of a file as flat arrays, to be moved between threads.
 *
 * @module
 */
import type { Segment } from "@holdfast/repository";

const ID_BYTES = 32;
const DATA = 0;
const HOLE = 1;
const ZERO = 2;

export interface FlatSegments {
  readonly kinds: Uint8Array<ArrayBuffer>;
  readonly lengths: Float64Array<ArrayBuffer>;
  /** Of the data segments, 32 bytes each. */
  readonly ids: Uint8Array<ArrayBuffer>;
}

/** Collects segments; neighbours of holes or of zeros become one. */
export class SegmentCollector {
  #kinds: number[] = [];
  #lengths: number[] = [];
  #ids: Buffer[] = [];
  #size = 0;

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  get count(): number {
    return this.#kinds.length;
  }

  data(id: Buffer, length: number): void {
    this.#ids.push(id);
    this.#add(DATA, length);
  }

  hole(length: number): void {
    this.#addEmpty(HOLE, length);
  }

  zero(length: number): void {
    this.#addEmpty(ZERO, length);
  }

  /** As objects; the collector is then empty again. */
  takeSegments(): Segment[] {
    return [...segmentsOf(this.take())];
  }

  take(): FlatSegments {
    const flat = this.#flat();
    this.clear();
    return flat;
  }

  clear(): void {
    this.#kinds = [];
    this.#lengths = [];
    this.#ids = [];
    this.#size = 0;
  }

  #flat(): FlatSegments {
    const ids = new Uint8Array(this.#ids.length * ID_BYTES);
    for (const [index, id] of this.#ids.entries()) ids.set(id, index * ID_BYTES);
    return { kinds: Uint8Array.from(this.#kinds), lengths: Float64Array.from(this.#lengths), ids };
  }

  #addEmpty(kind: number, length: number): void {
    if (length === 0) return;
    const last = this.#kinds.length - 1;
    if (this.#kinds[last] !== kind) {
      this.#add(kind, length);
      return;
    }
    this.#lengths[last] = (this.#lengths[last] ?? 0) + length;
    this.#size += length;
  }

  #add(kind: number, length: number): void {
    this.#kinds.push(kind);
    this.#lengths.push(length);
    this.#size += length;
  }
}

export function* segmentsOf(flat: FlatSegments): Generator<Segment, void, undefined> {
  let at = 0;
  for (const [index, kind] of flat.kinds.entries()) {
    const length = flat.lengths[index] ?? 0;
    if (kind !== DATA) {
      yield { kind: kind === HOLE ? "hole" : "zero", length };
      continue;
    }
    yield { kind: "data", length, id: Buffer.from(flat.ids.buffer, flat.ids.byteOffset + at, ID_BYTES) };
    at += ID_BYTES;
  }
}

/** What to hand over with {@link FlatSegments} instead of copying it. */
export function segmentBuffers(flat: FlatSegments): ArrayBuffer[] {
  return [flat.kinds.buffer, flat.lengths.buffer, flat.ids.buffer];
}
