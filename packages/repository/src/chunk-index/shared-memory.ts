/** Bytes that all threads see. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = sharedBytes(bytes.length);
  copy.set(bytes, 0);
  return copy;
}

/** One shared buffer, given out piece by piece. */
export class SharedArena {
  readonly #bytes: Uint8Array;
  #used = 0;

  constructor(length: number) {
    this.#bytes = sharedBytes(length);
  }

  take(length: number): Uint8Array {
    this.#used += length;
    return this.#bytes.subarray(this.#used - length, this.#used);
  }
}
