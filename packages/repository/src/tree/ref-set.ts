/**
 * The ids a record refers to, each once, in the order of their first appearance.
 *
 * @module
 */
export const ID_BYTES = 32;

const SLOTS_MIN = 256;

/**
 * An open-addressing table over one flat buffer: millions of ids pass through here in a run, and a `Set` would need a
 * string for each. Ids are MACs, so their own first bytes are the hash.
 */
export class RefSet {
  #ids = Buffer.allocUnsafe((SLOTS_MIN / 2) * ID_BYTES);
  /** 1 + the number of an id, 0 for a free slot; always at least twice as many slots as ids. */
  #slots = new Int32Array(SLOTS_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds the 32 bytes at `offset` unless they are there. */
  add(bytes: Uint8Array, offset = 0): void {
    const mask = this.#slots.length - 1;
    let slot = hashAt(bytes, offset) & mask;
    for (let found = this.#slots[slot] ?? 0; found !== 0; found = this.#slots[slot] ?? 0) {
      if (this.#equals(found - 1, bytes, offset)) return;
      slot = (slot + 1) & mask;
    }
    const start = this.#count * ID_BYTES;
    for (let index = 0; index < ID_BYTES; index += 1) this.#ids[start + index] = bytes[offset + index] ?? 0;
    this.#count += 1;
    this.#slots[slot] = this.#count;
    if (this.#count * 2 >= this.#slots.length) this.#grow();
  }

  /** The ids, 32 bytes each; valid until the next change. */
  view(): Buffer {
    return this.#ids.subarray(0, this.#count * ID_BYTES);
  }

  clear(): void {
    if (this.#count === 0) return;
    this.#slots.fill(0);
    this.#count = 0;
  }

  #equals(number: number, bytes: Uint8Array, offset: number): boolean {
    const start = number * ID_BYTES;
    for (let index = 0; index < ID_BYTES; index += 1) {
      if (this.#ids[start + index] !== bytes[offset + index]) return false;
    }
    return true;
  }

  #grow(): void {
    const ids = Buffer.allocUnsafe(this.#ids.length * 2);
    ids.set(this.view());
    this.#ids = ids;
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#count; number += 1) {
      let slot = hashAt(ids, number * ID_BYTES) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

function hashAt(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24)
  );
}
