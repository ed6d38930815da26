/**
 * Turns plaintext into a sealed record: frames compressed and encrypted one by one (docs/format.md, section 4.1).
 *
 * Synchronous, for worker threads; what is returned lies in memory that the next call reuses.
 *
 * @module
 */
import { constants, zstdCompressSync } from "node:zlib";
import { type FrameKeys, sealBox, sealedLength, sealFrame } from "@holdfast/crypto";
import { freeBytes } from "@holdfast/kernel";
import {
  FRAMES_MAX,
  frameCount,
  HEADER_BYTES,
  newFrameAad,
  PLAINTEXT_BYTES_MAX,
  setFrame,
  writeFrameAad,
  writeHeader,
} from "./record-header.ts";

/** Compression must save at least this share of a frame to be worth decompressing. */
const GAIN_MIN = 0.03;
const SCRATCH_BYTES = PLAINTEXT_BYTES_MAX + FRAMES_MAX * 64;
/** Files and metadata: large frames compress better; a small file in a bundle costs one frame to read. */
export const FRAME_BYTES_FILES = 1024 * 1024;

export interface SealerOptions {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
  readonly session: Buffer;
  readonly frameKeys: FrameKeys;
  /** Never gives the same number twice in a session, across all threads. */
  readonly nextCounter: () => number;
  /** zstd level; 0 stores everything as it is. */
  readonly compressionLevel: number;
}

export interface RecordInput {
  readonly type: number;
  readonly id: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly frameSize: number;
  /** Ids that the plaintext refers to, 32 bytes each. */
  readonly refs?: Uint8Array;
  /** True when the caller knows that compression gains nothing. */
  readonly incompressible?: boolean;
}

/** A record without its place; both views are valid until the next {@link RecordSealer.seal}. */
export interface SealedRecord {
  readonly header: Buffer;
  /** Refs box and frames. */
  readonly body: Buffer;
}

export class RecordSealer {
  readonly #options: SealerOptions;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #aad = newFrameAad();
  #scratch = Buffer.alloc(0);

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  seal(input: RecordInput): SealedRecord {
    const { session, frameKeys, nextCounter } = this.#options;
    const refs = this.#sealRefs(input);
    writeHeader(this.#header, {
      type: input.type,
      suite: frameKeys.suite.code,
      plaintextLength: input.plaintext.length,
      frameSize: input.frameSize,
      refsLength: refs.length,
      counter: nextCounter(),
      session,
      id: input.id,
    });
    this.#reserve(refs.length + sealedLength(frameKeys.suite, input.plaintext.length) + FRAMES_MAX * 64);
    this.#scratch.set(refs, 0);
    const length = this.#sealFrames(input, refs.length);
    return { header: this.#header, body: this.#scratch.subarray(0, length) };
  }

  #sealFrames(input: RecordInput, start: number): number {
    const { frameKeys } = this.#options;
    const counter = this.#header.readBigUInt64LE(16);
    const count = frameCount(input.plaintext.length, input.frameSize);
    let offset = start;
    for (let frame = 0; frame < count; frame += 1) {
      const plain = input.plaintext.subarray(frame * input.frameSize, (frame + 1) * input.frameSize);
      const packed = input.incompressible === true ? undefined : this.#compress(plain);
      const aad = writeFrameAad(this.#aad, this.#header, frame, frame === count - 1, packed !== undefined);
      const out = this.#scratch.subarray(offset);
      const length = sealFrame(frameKeys, counter, frame, aad, packed ?? plain, out);
      if (packed !== undefined) freeBytes(packed);
      setFrame(this.#header, frame, packed !== undefined, length);
      offset += length;
    }
    return offset;
  }

  /** Undefined when compression does not pay. */
  #compress(plain: Uint8Array): Buffer | undefined {
    const { compressionLevel } = this.#options;
    if (compressionLevel === 0 || plain.length < 64) return undefined;
    const packed = zstdCompressSync(plain, {
      params: { [constants.ZSTD_c_compressionLevel]: compressionLevel },
      pledgedSrcSize: plain.length,
      // In one piece: of several, Node makes one by copying.
      chunkSize: compressedLengthMax(plain.length) + 1,
    });
    if (packed.length <= plain.length * (1 - GAIN_MIN)) return packed;
    freeBytes(packed);
    return undefined;
  }

  #sealRefs(input: RecordInput): Buffer {
    if (input.refs === undefined || input.refs.length === 0) return Buffer.alloc(0);
    const { tableKey, repository } = this.#options;
    return sealBox(tableKey, refsContext(repository, input.id), input.refs);
  }

  #reserve(length: number): void {
    if (this.#scratch.length >= length) return;
    this.#scratch = Buffer.allocUnsafeSlow(
      Math.min(Math.max(length, 2 * 1024 * 1024), SCRATCH_BYTES + length),
    );
  }
}

/** ZSTD_COMPRESSBOUND of zstd.h. */
function compressedLengthMax(length: number): number {
  return length + Math.ceil(length / 256) + Math.max(0, (128 * 1024 - length) >> 11);
}

/** What a refs box is bound to. */
export function refsContext(repository: Uint8Array, id: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/refs", "latin1"), repository, id]);
}
