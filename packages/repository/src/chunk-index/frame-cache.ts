/**
 * Decrypted frames that were used last, of all segments of one thread. The memory is allocated frame by frame up to the
 * limit and then used again, so that nothing waits for the garbage collector.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FRAME_BYTES } from "./segment-format.ts";

/** Frames of one segment have keys `owner × 2^32 + frame`. */
const OWNER_STEP = 0x1_0000_0000;
/** A lookup holds an entries frame while it reads a packs frame. */
const FRAMES_MIN = 4;

export class FrameCache {
  readonly #framesMax: number;
  /** In the order of their last use. */
  readonly #frames = new Map<number, Buffer>();
  #owners = 0;

  /** @param framesMax 8 KB each. */
  constructor(framesMax = 768) {
    assert(framesMax >= FRAMES_MIN);
    this.#framesMax = framesMax;
  }

  /** A number that sets the frames of one segment apart. */
  newOwner(): number {
    this.#owners += 1;
    return this.#owners;
  }

  /** Valid until three more frames were asked for; undefined when the frame is not held. */
  find(owner: number, frame: number): Buffer | undefined {
    const key = owner * OWNER_STEP + frame;
    const bytes = this.#frames.get(key);
    if (bytes === undefined) return undefined;
    this.#frames.delete(key);
    this.#frames.set(key, bytes);
    return bytes;
  }

  /** Holds a copy of a frame, which it returns, in the place of the one not used for longest. */
  hold(owner: number, frame: number, plaintext: Uint8Array): Buffer {
    const bytes = this.#free();
    bytes.set(plaintext, 0);
    this.#frames.set(owner * OWNER_STEP + frame, bytes);
    return bytes;
  }

  #free(): Buffer {
    const oldest = this.#frames.size < this.#framesMax ? undefined : this.#frames.entries().next().value;
    if (oldest === undefined) return Buffer.allocUnsafeSlow(FRAME_BYTES);
    this.#frames.delete(oldest[0]);
    return oldest[1];
  }
}
