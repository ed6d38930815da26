/**
 * Memory for secret bytes, and a holder that wipes them and never prints them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";

const SHOWN = "[secret]";

/**
 * Zeroed memory for a secret, which can be overwritten for good.
 *
 * Not `Buffer.alloc`: up to 64 bytes lie in the heap of V8, which leaves a copy behind when it moves them, and when it
 * hands them to native code for the first time.
 */
export function secretBuffer(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

/** Owns its bytes: the giver keeps no copy. `using secret = new SecretBytes(…)` wipes at the end of the block. */
export class SecretBytes {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /** @param bytes taken over, not copied. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes themselves. After {@link wipe} an assertion fails: a key of zeros must never be used by mistake. */
  get bytes(): Uint8Array {
    assert(!this.#wiped, "the secret was wiped");
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros; may be called again. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
