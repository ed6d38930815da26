/**
 * Records that wait to be read, 44 bytes each: copies of many million files have many pages.
 *
 * @module
 */
import { ID_BYTES } from "../chunk-index/entry.ts";

const ROW_BYTES = ID_BYTES + 12;
const ROWS_FIRST = 1024;

export interface QueuedRecord {
  readonly id: Buffer;
  /** Number of its pack. */
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
}

export class RecordQueue {
  #rows = Buffer.allocUnsafeSlow(ROWS_FIRST * ROW_BYTES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(record: QueuedRecord): void {
    const at = this.#count * ROW_BYTES;
    if (at === this.#rows.length) {
      const grown = Buffer.allocUnsafeSlow(this.#rows.length * 2);
      grown.set(this.#rows, 0);
      this.#rows = grown;
    }
    this.#rows.set(record.id, at);
    this.#rows.writeUInt32LE(record.pack, at + ID_BYTES);
    this.#rows.writeUInt32LE(record.offset, at + ID_BYTES + 4);
    this.#rows.writeUInt32LE(record.length, at + ID_BYTES + 8);
    this.#count += 1;
  }

  /** Takes the records that were added last, at most `bytesMax` long together but at least one, in the order of their places. */
  take(bytesMax: number): QueuedRecord[] {
    const taken: QueuedRecord[] = [];
    for (let bytes = 0; this.#count > 0; ) {
      const record = this.#at((this.#count - 1) * ROW_BYTES);
      bytes += record.length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(record);
      this.#count -= 1;
    }
    return taken.toSorted((one, other) => one.pack - other.pack || one.offset - other.offset);
  }

  #at(at: number): QueuedRecord {
    return {
      id: Buffer.from(this.#rows.subarray(at, at + ID_BYTES)),
      pack: this.#rows.readUInt32LE(at + ID_BYTES),
      offset: this.#rows.readUInt32LE(at + ID_BYTES + 4),
      length: this.#rows.readUInt32LE(at + ID_BYTES + 8),
    };
  }
}
