/**
 * Copies needed records out of packs that hold too much that is not needed, as they are: only their headers are sealed
 * again for the new pack and place (docs/format.md, section 4.1). A bundle is one record: it is copied whole, with
 * all its members, if one of them is needed.
 *
 * @module
 */
import type { Randomness } from "@holdfast/kernel";
import type { IndexKeys } from "../chunk-index/segment-format.ts";
import { damagedObject } from "../format/head.ts";
import { packName } from "../format/object-names.ts";
import { type FinishedPack, newPackRegion, PackBuilder, type PackRegion } from "../packs/pack-builder.ts";
import {
  DIRECTORY_ENTRIES_MAX,
  DIRECTORY_ENTRY_BYTES,
  PACK_BYTES_AIM,
  PACK_END_BYTES,
  packFrontLength,
  SESSION_ID_BYTES,
} from "../packs/pack-format.ts";
import { openPackInMemory } from "../packs/read-directory.ts";
import { SEALED_HEADER_BYTES } from "../packs/record-header.ts";
import { openRecord } from "../packs/record-opener.ts";
import type { TabledPack } from "./pack-table.ts";

const ENVELOPES_MAX = 255;
/** Tag of the directory, and padding. */
const END_BYTES = 16 + PACK_END_BYTES + 4096;

/** A record on its way, in memory of its own. */
interface MovedRecord {
  readonly header: Buffer;
  readonly body: Buffer;
  /** Its directory entries. */
  readonly entries: Buffer;
  readonly envelope: Buffer;
}

/** One record of a pack, with its directory entries, which stand together. */
export interface DirectoryRecord {
  readonly offset: number;
  readonly length: number;
  readonly entries: Buffer;
}

/** The records of a directory, in the order of their places. */
export function* recordsOf(directory: Buffer): Generator<DirectoryRecord, void> {
  for (let from = 0; from < directory.length; ) {
    const offset = directory.readUInt32LE(from + 32);
    const length = directory.readUInt32LE(from + 36);
    let to = from + DIRECTORY_ENTRY_BYTES;
    while (to < directory.length && directory.readUInt32LE(to + 32) === offset) to += DIRECTORY_ENTRY_BYTES;
    yield { offset, length, entries: directory.subarray(from, to) };
    from = to;
  }
}

export interface RepackerOptions {
  readonly keys: IndexKeys;
  readonly randomness: Randomness;
  /** Stores a new pack; its memory is used again afterwards. */
  readonly store: (pack: FinishedPack) => Promise<void>;
}

/** Fills new packs of one kind. */
export class Repacker {
  readonly #kind: number;
  readonly #options: RepackerOptions;
  #records: MovedRecord[] = [];
  readonly #envelopes = new Map<string, Buffer>();
  #region: PackRegion | undefined;
  #bytes = 0;
  #entries = 0;

  constructor(kind: number, options: RepackerOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  /**
   * Takes the records out of a pack for which `isNeeded` is true.
   *
   * @param bytes the pack, checked against its name.
   * @throws AppError `ERR_DAMAGED`, or what storing threw.
   */
  async add(pack: TabledPack, bytes: Buffer, isNeeded: (record: DirectoryRecord) => boolean): Promise<void> {
    const name = packName(pack.sha256);
    const { open, directory } = openPackInMemory(bytes, this.#options.keys, name);
    const envelopes = new Map(
      open.front.envelopes.map((one) => [one.toString("hex", 0, SESSION_ID_BYTES), one]),
    );
    for (const place of recordsOf(directory)) {
      if (!isNeeded(place)) continue;
      const sealed = bytes.subarray(place.offset, place.offset + place.length);
      const { header, headerBytes, body } = openRecord(open.key, sealed, place.offset, name);
      const envelope = envelopes.get(header.session.toString("hex"));
      if (envelope === undefined) throw damagedObject(name, "the key of a session is missing");
      await this.#append({
        header: headerBytes,
        body: Buffer.from(body),
        entries: Buffer.from(place.entries),
        envelope,
      });
    }
  }

  /** Stores what is left. */
  async finish(): Promise<void> {
    if (this.#records.length > 0) await this.#store(true);
  }

  async #append(record: MovedRecord): Promise<void> {
    if (!this.#fits(record)) await this.#store(false);
    this.#records.push(record);
    this.#envelopes.set(record.envelope.toString("hex", 0, SESSION_ID_BYTES), record.envelope);
    this.#bytes += sizeOf(record);
    this.#entries += record.entries.length / DIRECTORY_ENTRY_BYTES;
  }

  #fits(record: MovedRecord): boolean {
    if (this.#records.length === 0) return true;
    const isNew = !this.#envelopes.has(record.envelope.toString("hex", 0, SESSION_ID_BYTES));
    const envelopes = this.#envelopes.size + (isNew ? 1 : 0);
    const bytes = packFrontLength(envelopes) + this.#bytes + sizeOf(record) + END_BYTES;
    const entries = this.#entries + record.entries.length / DIRECTORY_ENTRY_BYTES;
    return envelopes <= ENVELOPES_MAX && entries <= DIRECTORY_ENTRIES_MAX && bytes <= PACK_BYTES_AIM;
  }

  /** With room for the padding of a last pack, one eighth at most. */
  #takeRegion(): PackRegion {
    const needed = packFrontLength(this.#envelopes.size) + this.#bytes + END_BYTES;
    const aim = Math.min(PACK_BYTES_AIM, Math.ceil(needed * 1.125) + 4096);
    if (this.#region === undefined || (this.#region.aim ?? 0) < aim) this.#region = newPackRegion(aim);
    return this.#region;
  }

  async #store(last: boolean): Promise<void> {
    const { keys, randomness, store } = this.#options;
    const builder = new PackBuilder(this.#takeRegion(), { ...keys, randomness });
    builder.begin(this.#kind, [...this.#envelopes.values()]);
    for (const record of this.#records) builder.append(record, record.entries);
    this.#records = [];
    this.#envelopes.clear();
    this.#bytes = 0;
    this.#entries = 0;
    await store(builder.finish(last));
  }
}

/** In the new pack, its directory entries included. */
function sizeOf(record: MovedRecord): number {
  return SEALED_HEADER_BYTES + record.body.length + record.entries.length;
}
