/**
 * Opens the sealed frames of one segment.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { FRAME_BOX_OVERHEAD_BYTES, openNonce, sealNonce } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import type { ByteSource } from "./byte-source.ts";
import {
  damagedSegment,
  frameLength,
  SEALED_FRAME_BYTES,
  type Section,
  segmentFrameKey,
  type IndexKeys,
} from "./segment-format.ts";

/** The calls of a thread come one after the other: one buffer for sealed bytes is enough. */
const sealedFrame = Buffer.allocUnsafeSlow(SEALED_FRAME_BYTES);
const nonce = Buffer.alloc(12);

function nonceOf(frameNumber: number): Buffer {
  nonce.writeUInt32LE(frameNumber % 0x1_0000_0000, 0);
  nonce.writeUInt32LE(Math.floor(frameNumber / 0x1_0000_0000), 4);
  return nonce;
}

/** Seals a section frame by frame to its place in the object. */
export function sealSection(
  out: Buffer,
  key: KeyObject,
  repository: Uint8Array,
  section: Section,
  plaintext: Uint8Array,
): void {
  for (let frame = 0, from = 0; frame < section.frames; frame += 1) {
    const to = from + frameLength(section, frame);
    const at = section.offset + frame * SEALED_FRAME_BYTES;
    sealNonce(
      key,
      nonceOf(section.firstFrame + frame),
      repository,
      plaintext.subarray(from, to),
      out.subarray(at),
    );
    from = to;
  }
}

export class SegmentFrames {
  readonly #source: ByteSource;
  readonly #keys: IndexKeys;
  readonly #salt: Uint8Array;
  readonly #name: string;
  #frameKey: KeyObject | undefined;

  constructor(source: ByteSource, keys: IndexKeys, salt: Uint8Array, name: string) {
    this.#source = source;
    this.#keys = keys;
    this.#salt = salt;
    this.#name = name;
  }

  /**
   * The plaintext of one frame, in memory of its own.
   *
   * @param frame its number in the section.
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  open(section: Section, frame: number): Buffer {
    const length = frameLength(section, frame) + FRAME_BOX_OVERHEAD_BYTES;
    const sealed = sealedFrame.subarray(0, length);
    this.#source.readSync(section.offset + frame * SEALED_FRAME_BYTES, sealed);
    this.#frameKey ??= segmentFrameKey(this.#keys.tableKey, this.#salt);
    const number = section.firstFrame + frame;
    try {
      return openNonce(this.#frameKey, nonceOf(number), this.#keys.repository, sealed, this.#name);
    } catch (error) {
      if (!isAppError(error, "ERR_DAMAGED")) throw error;
      throw damagedSegment(this.#name, "its authentication tag does not match", error);
    }
  }

  /** The whole section, frame by frame into `into`, which has its length. */
  openAll(section: Section, into: Uint8Array): void {
    for (let frame = 0, at = 0; frame < section.frames; frame += 1) {
      const plaintext = this.open(section, frame);
      into.set(plaintext, at);
      at += plaintext.length;
    }
  }
}
