/** So many bits, all clear at first. */
export class Bits {
  readonly #bytes: Uint8Array;

  constructor(count: number) {
    this.#bytes = new Uint8Array(Math.ceil(count / 8));
  }

  has(bit: number): boolean {
    return ((this.#bytes[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  set(bit: number): void {
    this.#bytes[bit >>> 3] = (this.#bytes[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }

  clear(bit: number): void {
    this.#bytes[bit >>> 3] = (this.#bytes[bit >>> 3] ?? 0) & ~(1 << (bit & 7));
  }
}
