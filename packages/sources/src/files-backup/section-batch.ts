/**
 * Collects encoded entries into {@link EncodedEntries}, both new ones and ones copied from the change cache.
 *
 * @module
 */
import { type EncodedEntries, encodeEntry, type Entry } from "@holdfast/repository";
import { ByteWriter } from "@holdfast/kernel";

const ID_BYTES = 32;
const COUNT_MIN = 512;

export class SectionBatch {
  readonly #bytes = new ByteWriter(256 * 1024);
  readonly #refs = new ByteWriter(64 * 1024);
  #ends = new Uint32Array(COUNT_MIN);
  #fileBytes = new Float64Array(COUNT_MIN);
  #refEnds = new Uint32Array(COUNT_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Encoded bytes so far, ids included. */
  get length(): number {
    return this.#bytes.length + this.#refs.length;
  }

  add(entry: Entry): void {
    encodeEntry(this.#bytes, entry);
    if (entry.kind === "file") {
      const { content } = entry;
      if (content.form === "list") this.#refs.raw(content.id);
      if (content.form === "segments") {
        for (const segment of content.segments) if (segment.kind === "data") this.#refs.raw(segment.id);
      }
    }
    this.#close(entry.kind === "file" ? entry.size : 0);
  }

  /** Copies an entry that is encoded already. */
  addEncoded(entry: Uint8Array, refs: Uint8Array, fileBytes: number): void {
    this.#bytes.raw(entry);
    this.#refs.raw(refs);
    this.#close(fileBytes);
  }

  /** Bytes of the entry that was added last; valid until the next one is. */
  lastEntry(): Buffer {
    const start = this.#count < 2 ? 0 : (this.#ends[this.#count - 2] ?? 0);
    return this.#bytes.view().subarray(start);
  }

  /** Ids that the entry refers to that was added last; valid until the next one is. */
  lastRefs(): Buffer {
    const start = this.#count < 2 ? 0 : (this.#refEnds[this.#count - 2] ?? 0) * ID_BYTES;
    return this.#refs.view().subarray(start);
  }

  /** What was added, in buffers of its own; the batch is then empty again. */
  take(): EncodedEntries & { readonly buffers: ArrayBuffer[] } {
    const bytes = new Uint8Array(this.#bytes.view());
    const refs = new Uint8Array(this.#refs.view());
    const ends = this.#ends.slice(0, this.#count);
    const fileBytes = this.#fileBytes.slice(0, this.#count);
    const refEnds = this.#refEnds.slice(0, this.#count);
    const count = this.#count;
    this.#bytes.reset();
    this.#refs.reset();
    this.#count = 0;
    const buffers = [bytes.buffer, refs.buffer, ends.buffer, fileBytes.buffer, refEnds.buffer];
    return { count, bytes, ends, fileBytes, refs, refEnds, buffers };
  }

  #close(fileBytes: number): void {
    if (this.#count === this.#ends.length) this.#grow();
    this.#ends[this.#count] = this.#bytes.length;
    this.#fileBytes[this.#count] = fileBytes;
    this.#refEnds[this.#count] = this.#refs.length / ID_BYTES;
    this.#count += 1;
  }

  #grow(): void {
    const size = this.#ends.length * 2;
    this.#ends = widened(this.#ends, new Uint32Array(size));
    this.#fileBytes = widened(this.#fileBytes, new Float64Array(size));
    this.#refEnds = widened(this.#refEnds, new Uint32Array(size));
  }
}

function widened<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
