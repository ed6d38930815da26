/**
 * From the bytes of a record to checked plaintext; what it takes to do so (pack keys, session keys) is kept.
 *
 * Plain decoding without input or output, shared by the asynchronous and the synchronous reader.
 *
 * @module
 */
import { SUITE_NONE } from "@holdfast/crypto";
import { type AppError, damaged, VERIFY_DATA_REMEDY } from "@holdfast/kernel";
import type { ChunkPlace } from "../chunk-index/entry.ts";
import { packName } from "../format/object-names.ts";
import { deriveKeySet, type KeySet, openRootSecret, requireKey } from "../keys/key-set.ts";
import { decodePackFront } from "../packs/pack-format.ts";
import { type PackKey, packKeyOf } from "../packs/pack-key.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { bundleId, type IdOf, idHasher } from "../packs/record-id.ts";
import { type OpenRecord, openPlaintext, openRecord } from "../packs/record-opener.ts";
import { SessionKeyring } from "../packs/session-keys.ts";

/** Packs whose keys are kept; the oldest goes first. */
const PACK_KEYS_MAX = 4096;

export class RecordDecoder {
  readonly #keys: KeySet;
  readonly #keyring: SessionKeyring;
  readonly #packKeys = new Map<string, PackKey>();
  readonly #isEncrypted: boolean;
  readonly idOf: IdOf;

  constructor(keys: KeySet) {
    this.#keys = keys;
    this.#keyring = new SessionKeyring(keys.repository, requireKey(keys, "privateSeed"));
    this.idOf = idHasher(requireKey(keys, "idKey"));
    this.#isEncrypted = !hasPublicKeys(keys);
  }

  get keyring(): SessionKeyring {
    return this.#keyring;
  }

  /** False when {@link addFront} must be called with the pack's front before a record of it can be opened. */
  knows(packHex: string): boolean {
    return this.#packKeys.has(packHex);
  }

  /** @param front the start of the pack, at least its front. @throws AppError `ERR_DAMAGED`. */
  addFront(packHash: Buffer, front: Buffer): void {
    const name = packName(packHash);
    const { salt, envelopes } = decodePackFront(front, name, this.#keys.repository);
    this.#keyring.add(envelopes, name);
    const [oldest] = this.#packKeys.keys();
    if (this.#packKeys.size >= PACK_KEYS_MAX && oldest !== undefined) this.#packKeys.delete(oldest);
    this.#packKeys.set(packHash.toString("hex"), packKeyOf(this.#keys.tableKey, this.#keys.repository, salt));
  }

  /** Opens the header of a record. @throws AppError `ERR_DAMAGED`. */
  open(packHash: Buffer, offset: number, record: Buffer): OpenRecord {
    const key = this.#packKeys.get(packHash.toString("hex"));
    if (key === undefined) throw new Error("the front of the pack is missing");
    return openRecord(key, record, offset, packName(packHash));
  }

  /**
   * The plaintext of a record, in memory that is the caller's; every frame was authenticated, ids are checked by the two
   * functions below.
   */
  plaintext(record: OpenRecord): Buffer {
    const { session, suite } = record.header;
    if ((suite === SUITE_NONE.code) === this.#isEncrypted) {
      throw wrongContent(record.what, "its suite contradicts the config of the repository");
    }
    return openPlaintext(record, this.#keyring.frameKeys(session, suite, record.what));
  }

  /** A chunk, list, page or node as a whole, checked against its id. @throws AppError `ERR_DAMAGED`. */
  wholeRecord(record: OpenRecord, type: number, id: Buffer): Buffer {
    if (record.header.type !== type) throw wrongContent(record.what, "it is of another type");
    const plaintext = this.plaintext(record);
    if (!record.header.id.equals(id) || !this.idOf(type, plaintext).equals(id)) {
      throw wrongContent(record.what, "its content does not match its id");
    }
    return plaintext;
  }

  /**
   * The chunk at `place` in the plaintext of its record, checked against its id.
   *
   * @throws AppError `ERR_DAMAGED`.
   */
  chunk(plaintext: Buffer, place: ChunkPlace, id: Uint8Array): Buffer {
    const end = place.chunkOffset + place.chunkLength;
    const what = `The chunk ${Buffer.from(id.subarray(0, 8)).toString("hex")} in ${packName(place.pack)}`;
    // What is there of it may have the right id: a list of chunks would then have another length than it says.
    if (end > plaintext.length) throw wrongContent(what, "it lies outside its record");
    const chunk = plaintext.subarray(place.chunkOffset, end);
    if (!this.idOf(RECORD_TYPES.chunk, chunk).equals(id)) {
      throw wrongContent(what, "its content does not match its id");
    }
    return chunk;
  }

  /** Checks the id of a bundle's record. @param memberIds in the order of their places. */
  isBundleOf(record: OpenRecord, memberIds: Uint8Array): boolean {
    return bundleId(this.idOf, memberIds).equals(record.header.id);
  }

  /** Forgets and overwrites every key. */
  wipe(): void {
    this.#keyring.wipe();
    this.#packKeys.clear();
  }
}

/** Whether the keys are those that everybody can derive: of a repository that is not encrypted. */
function hasPublicKeys({ repository, tableKey }: KeySet): boolean {
  return deriveKeySet(openRootSecret(repository), repository, ["maintain"]).tableKey.equals(tableKey);
}

function wrongContent(what: string, reason: string): AppError {
  return damaged(what, reason, { remedy: VERIFY_DATA_REMEDY });
}
