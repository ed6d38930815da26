/**
 * Encoded entries of one directory or more, as flat arrays that can be moved between threads.
 *
 * @module
 */
import { ByteWriter } from "@holdfast/kernel";
import { type Entry, fileBytesOf } from "./entry.ts";
import { encodeEntry } from "./entry-codec.ts";
import { ID_BYTES } from "./ref-set.ts";

/** `count` entries in the order of their names; item `i` of each array belongs to entry `i`. */
export interface EncodedEntries {
  readonly count: number;
  /** The entries, one behind the other. */
  readonly bytes: Uint8Array;
  /** Where each entry ends in `bytes`. */
  readonly ends: Uint32Array;
  /** The size of each file; 0 for everything else. */
  readonly fileBytes: Float64Array;
  /** Ids the entries refer to, 32 bytes each. */
  readonly refs: Uint8Array;
  /** How many ids belong to the entries up to and including each. */
  readonly refEnds: Uint32Array;
}

const COUNT_MIN = 64;

/** Collects entries into {@link EncodedEntries}. */
export class EntryBatchBuilder {
  readonly #bytes = new ByteWriter(64 * 1024);
  readonly #refs = new ByteWriter(16 * 1024);
  #ends = new Uint32Array(COUNT_MIN);
  #fileBytes = new Float64Array(COUNT_MIN);
  #refEnds = new Uint32Array(COUNT_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Encoded bytes so far. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Appends `entry`, whose name must come behind that of the last one of the same directory. */
  add(entry: Entry): void {
    if (this.#count === this.#ends.length) this.#grow();
    encodeEntry(this.#bytes, entry);
    this.#addRefs(entry);
    this.#ends[this.#count] = this.#bytes.length;
    this.#fileBytes[this.#count] = fileBytesOf(entry);
    this.#refEnds[this.#count] = this.#refs.length / ID_BYTES;
    this.#count += 1;
  }

  /** What was added, in buffers of its own (so that they can be transferred); the builder is then empty again. */
  finish(): EncodedEntries {
    const batch: EncodedEntries = {
      count: this.#count,
      bytes: new Uint8Array(this.#bytes.view()),
      ends: this.#ends.slice(0, this.#count),
      fileBytes: this.#fileBytes.slice(0, this.#count),
      refs: new Uint8Array(this.#refs.view()),
      refEnds: this.#refEnds.slice(0, this.#count),
    };
    this.#bytes.reset();
    this.#refs.reset();
    this.#count = 0;
    return batch;
  }

  #addRefs(entry: Entry): void {
    if (entry.kind !== "file") return;
    const { content } = entry;
    if (content.form === "list") this.#refs.raw(content.id);
    if (content.form !== "segments") return;
    for (const segment of content.segments) if (segment.kind === "data") this.#refs.raw(segment.id);
  }

  #grow(): void {
    this.#ends = widened(this.#ends, new Uint32Array(this.#ends.length * 2));
    this.#fileBytes = widened(this.#fileBytes, new Float64Array(this.#fileBytes.length * 2));
    this.#refEnds = widened(this.#refEnds, new Uint32Array(this.#refEnds.length * 2));
  }
}

function widened<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
