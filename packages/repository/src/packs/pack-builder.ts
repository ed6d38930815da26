/**
 * Fills one pack in memory: front, records, directory.
 *
 * All state lies in the given memory, so that several threads can fill the same pack in turn: whoever calls holds the
 * lock of the memory's owner (see pack-arena.ts); a single-threaded owner needs none.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FRAME_BOX_OVERHEAD_BYTES, sealNonce, sha256 } from "@holdfast/crypto";
import { type Randomness, systemRandomness } from "@holdfast/kernel";
import {
  DIRECTORY_ENTRIES_MAX,
  DIRECTORY_ENTRY_BYTES,
  encodePackFront,
  PACK_BYTES_AIM,
  PACK_END_BYTES,
  PACK_FRONT_BYTES_MAX,
  SALT_BYTES,
  writePackEnd,
} from "./pack-format.ts";
import { type PackKey, packKeyOf } from "./pack-key.ts";
import { SEALED_HEADER_BYTES } from "./record-header.ts";
import type { SealedRecord } from "./record-sealer.ts";

const PAD_BYTES = 4096;
/** Room for the pack itself, and, behind it, for its directory while it grows. */
const DIRECTORY_BYTES_MAX = DIRECTORY_ENTRIES_MAX * DIRECTORY_ENTRY_BYTES;
export const PACK_REGION_BYTES = PACK_BYTES_AIM + DIRECTORY_BYTES_MAX;
const SALT_OFFSET = 32;

/**
 * Memory of one pack, and, behind the bytes it aims at, of its directory while it grows; `state` holds the bytes used and the
 * number of directory entries.
 */
export interface PackRegion {
  readonly bytes: Buffer;
  readonly state: Int32Array;
  /** Bytes of a full pack; {@link PACK_BYTES_AIM} when missing. */
  readonly aim?: number;
}

export interface PackOwner {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
  readonly randomness?: Randomness;
}

/** A pack that is complete in memory and not stored yet. */
export interface FinishedPack {
  readonly kind: number;
  readonly sha256: Buffer;
  readonly bytes: Buffer;
  /** The directory in clear, 48 bytes an entry. */
  readonly directory: Buffer;
}

const USED = 0;
const ENTRIES = 1;

/** @param aim smaller packs, for tests. */
export function newPackRegion(aim = PACK_BYTES_AIM): PackRegion {
  const directoryBytes = Math.min(DIRECTORY_BYTES_MAX, aim);
  return { bytes: Buffer.alloc(aim + directoryBytes), state: new Int32Array(2), aim };
}

export class PackBuilder {
  readonly #region: PackRegion;
  readonly #owner: PackOwner;
  readonly #aim: number;
  readonly #entriesMax: number;
  #key: PackKey | undefined;

  constructor(region: PackRegion, owner: PackOwner) {
    this.#aim = region.aim ?? PACK_BYTES_AIM;
    this.#entriesMax = Math.min(
      DIRECTORY_ENTRIES_MAX,
      Math.floor((region.bytes.length - this.#aim) / DIRECTORY_ENTRY_BYTES),
    );
    assert(this.#entriesMax > 0);
    this.#region = region;
    this.#owner = owner;
  }

  get recordBytes(): number {
    return this.#state(USED);
  }

  get isEmpty(): boolean {
    return this.#state(ENTRIES) === 0;
  }

  begin(kind: number, envelopes: readonly Buffer[]): void {
    const { repository, randomness = systemRandomness } = this.#owner;
    const salt = randomness(Buffer.alloc(SALT_BYTES));
    const front = encodePackFront(repository, { kind, salt, envelopes });
    assert(front.length <= PACK_FRONT_BYTES_MAX);
    this.#region.bytes.set(front, 0);
    this.#region.state[USED] = front.length;
    this.#region.state[ENTRIES] = 0;
    this.#key = undefined;
  }

  /** Forgets the key of the pack before: another thread has begun a new one in this region. */
  refresh(): void {
    this.#key = undefined;
  }

  fits(bodyLength: number, entries: number): boolean {
    const count = this.#state(ENTRIES) + entries;
    const end = this.#state(USED) + SEALED_HEADER_BYTES + bodyLength;
    const directory = count * DIRECTORY_ENTRY_BYTES + FRAME_BOX_OVERHEAD_BYTES + PACK_END_BYTES + PAD_BYTES;
    return count <= this.#entriesMax && end + directory <= this.#aim;
  }

  /**
   * Puts a record behind the others.
   *
   * @param entries its directory entries, 48 bytes each; their record offset and length are filled in here.
   */
  append(record: SealedRecord, entries: Uint8Array): void {
    const { bytes, state } = this.#region;
    const offset = this.#state(USED);
    const key = this.#packKey();
    const room = bytes.subarray(offset);
    sealNonce(key.key, key.nonce(offset), key.headerAad, record.header, room);
    bytes.set(record.body, offset + SEALED_HEADER_BYTES);
    const length = SEALED_HEADER_BYTES + record.body.length;
    let at = this.#aim + this.#state(ENTRIES) * DIRECTORY_ENTRY_BYTES;
    bytes.set(entries, at);
    for (const end = at + entries.length; at < end; at += DIRECTORY_ENTRY_BYTES) {
      bytes.writeUInt32LE(offset, at + 32);
      bytes.writeUInt32LE(length, at + 36);
    }
    state[USED] = offset + length;
    state[ENTRIES] = this.#state(ENTRIES) + entries.length / DIRECTORY_ENTRY_BYTES;
  }

  /** Completes the pack; its bytes stay valid until the region is begun again. */
  finish(last: boolean): FinishedPack {
    const { bytes } = this.#region;
    const { randomness = systemRandomness } = this.#owner;
    const key = this.#packKey();
    const directory = bytes.subarray(this.#aim, this.#aim + this.#state(ENTRIES) * DIRECTORY_ENTRY_BYTES);
    const sealedLength = directory.length + FRAME_BOX_OVERHEAD_BYTES;
    const used = this.#state(USED);
    const length = paddedLength(used + sealedLength + PACK_END_BYTES, last, this.#aim);
    const start = length - PACK_END_BYTES - sealedLength;
    randomness(bytes.subarray(used, start));
    sealNonce(key.key, key.directoryNonce, key.directoryAad, directory, bytes.subarray(start, length));
    writePackEnd(key, bytes.subarray(length - PACK_END_BYTES, length), sealedLength);
    const pack = bytes.subarray(0, length);
    return { kind: bytes.readUInt8(24), sha256: sha256(pack), bytes: pack, directory };
  }

  #packKey(): PackKey {
    const { tableKey, repository } = this.#owner;
    this.#key ??= packKeyOf(
      tableKey,
      repository,
      this.#region.bytes.subarray(SALT_OFFSET, SALT_OFFSET + SALT_BYTES),
    );
    return this.#key;
  }

  #state(field: number): number {
    return this.#region.state[field] ?? 0;
  }
}

/** A multiple of 4096; the last pack of a session further, to its Padmé length, never beyond the aim. */
function paddedLength(length: number, last: boolean, aim: number): number {
  const padded = Math.ceil(length / PAD_BYTES) * PAD_BYTES;
  return last ? Math.max(padded, Math.min(aim, Math.ceil(padme(padded) / PAD_BYTES) * PAD_BYTES)) : padded;
}

/** Padmé: at most 12 % longer, and only O(log log n) bits of the length are told (PURBs, section 4.2). */
function padme(length: number): number {
  const exponent = Math.floor(Math.log2(length));
  const mantissaBits = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(0, exponent - mantissaBits);
  return Math.ceil(length / step) * step;
}
