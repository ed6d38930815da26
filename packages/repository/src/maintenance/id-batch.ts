/**
 * Ids that wait to be looked up, so that many lookups read each frame of the index once.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ID_BYTES } from "../chunk-index/entry.ts";
import { u32 } from "../chunk-index/segment-reader.ts";

const IDS_FIRST = 4096;
/** Sort keys must be exact in a double: 32 bits of the id, 21 bits of its place. */
const IDS_MAX = 2 ** 21;
/** From here on ids should be looked up: 32 MiB. */
const IDS_ENOUGH = 2 ** 20;

export class IdBatch {
  #bytes = Buffer.allocUnsafeSlow(IDS_FIRST * ID_BYTES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= IDS_ENOUGH;
  }

  /** @param ids 32 bytes each. */
  add(ids: Uint8Array): void {
    const end = this.#count * ID_BYTES;
    this.#count += ids.length / ID_BYTES;
    assert(Number.isInteger(this.#count) && this.#count <= IDS_MAX);
    if (end + ids.length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, end + ids.length));
      grown.set(this.#bytes.subarray(0, end), 0);
      this.#bytes = grown;
    }
    this.#bytes.set(ids, end);
  }

  /** The ids nearly in their order, some twice; valid until the next {@link add}. The batch is empty afterwards. */
  *drain(): Generator<Buffer, void> {
    const keys = new Float64Array(this.#count);
    for (let row = 0; row < keys.length; row += 1) {
      keys[row] = u32(this.#bytes, row * ID_BYTES) * IDS_MAX + row;
    }
    keys.sort();
    this.#count = 0;
    for (const key of keys) {
      const at = (key % IDS_MAX) * ID_BYTES;
      yield this.#bytes.subarray(at, at + ID_BYTES);
    }
  }
}
