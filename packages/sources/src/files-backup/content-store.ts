/**
 * Where content goes in a worker: it gets its id, and what the repository does not have yet is compressed, encrypted and
 * put into the open pack.
 *
 * Small files share records: a bundle is sealed when the next file would make it longer than one frame.
 *
 * @module
 */
import { createMinorCollection } from "@holdfast/kernel";
import {
  bundleId,
  type ChunkIndex,
  type ClaimTable,
  DIRECTORY_ENTRY_BYTES,
  FRAME_BYTES_FILES,
  type IdOf,
  newDirectoryEntry,
  type PackArena,
  RECORD_TYPES,
  type RecordSealer,
  writeDirectoryEntry,
} from "@holdfast/repository";

/** A bundle is one frame. */
const BUNDLE_BYTES = FRAME_BYTES_FILES;
const BUNDLE_MEMBERS_MAX = 4096;
const ID_BYTES = 32;
const COLLECT_AFTER_BYTES = 4 * 1024 * 1024;

export interface ContentStoreOptions {
  readonly idOf: IdOf;
  readonly index: ChunkIndex;
  readonly claims: ClaimTable;
  readonly sealer: RecordSealer;
  readonly arena: PackArena;
}

export class ContentStore {
  readonly #options: ContentStoreOptions;
  readonly #bundle = Buffer.allocUnsafeSlow(BUNDLE_BYTES);
  readonly #directory = Buffer.alloc(BUNDLE_MEMBERS_MAX * DIRECTORY_ENTRY_BYTES);
  readonly #memberIds = Buffer.alloc(BUNDLE_MEMBERS_MAX * ID_BYTES);
  #length = 0;
  #members = 0;
  #bytesAdded = 0;
  readonly #noteAllocated = createMinorCollection(COLLECT_AFTER_BYTES);

  constructor(options: ContentStoreOptions) {
    this.#options = options;
  }

  /** Plaintext that was new, bytes. */
  get bytesAdded(): number {
    return this.#bytesAdded;
  }

  /** Whether every chunk in `ids` (32 bytes each) is in the repository, in a pack that stays. */
  hasAll(ids: Uint8Array): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) if (!this.#options.index.has(ids, at)) return false;
    return true;
  }

  /** Stores a small file's content and returns its id; the bytes are copied. */
  addToBundle(bytes: Uint8Array): Buffer {
    const id = this.#options.idOf(RECORD_TYPES.chunk, bytes);
    if (!this.#isNew(id)) return id;
    if (this.#length + bytes.length > BUNDLE_BYTES || this.#members === BUNDLE_MEMBERS_MAX) this.flush();
    this.#bundle.set(bytes, this.#length);
    writeDirectoryEntry(this.#directory, this.#members * DIRECTORY_ENTRY_BYTES, {
      id,
      type: RECORD_TYPES.bundle,
      chunkOffset: this.#length,
      length: bytes.length,
    });
    this.#memberIds.set(id, this.#members * ID_BYTES);
    this.#members += 1;
    this.#length += bytes.length;
    this.#bytesAdded += bytes.length;
    return id;
  }

  /** Stores a chunk as a record of its own and returns its id. `isNoise` is asked only when it is new. */
  addChunk(bytes: Uint8Array, isNoise: () => boolean): Buffer {
    const id = this.#options.idOf(RECORD_TYPES.chunk, bytes);
    if (!this.#isNew(id)) return id;
    const record = this.#options.sealer.seal({
      type: RECORD_TYPES.chunk,
      id,
      plaintext: bytes,
      frameSize: FRAME_BYTES_FILES,
      incompressible: isNoise(),
    });
    this.#options.arena.append(record, newDirectoryEntry(id, RECORD_TYPES.chunk, bytes.length));
    this.#bytesAdded += bytes.length;
    this.#noteAllocated(bytes.length);
    return id;
  }

  /** Seals the open bundle, if any. */
  flush(): void {
    if (this.#members === 0) return;
    const { sealer, arena, idOf } = this.#options;
    const record = sealer.seal({
      type: RECORD_TYPES.bundle,
      id: bundleId(idOf, this.#memberIds.subarray(0, this.#members * ID_BYTES)),
      plaintext: this.#bundle.subarray(0, this.#length),
      frameSize: FRAME_BYTES_FILES,
    });
    arena.append(record, this.#directory.subarray(0, this.#members * DIRECTORY_ENTRY_BYTES));
    this.#noteAllocated(this.#length);
    this.#members = 0;
    this.#length = 0;
  }

  /** The caller has to store it if this says true: nobody else will. */
  #isNew(id: Buffer): boolean {
    return !this.#options.index.has(id) && this.#options.claims.claim(id);
  }
}
