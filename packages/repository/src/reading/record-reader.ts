/**
 * Reads single records and chunks by id, asynchronously: metadata, `dump`, random access.
 *
 * @module
 */
import { AppError, createMinorCollection, isAppError, VERIFY_REMEDY } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { ChunkIndex, ChunkPlace } from "../chunk-index/index.ts";
import { packName } from "../format/object-names.ts";
import { packFrontLength } from "../packs/pack-format.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import type { OpenRecord } from "../packs/record-opener.ts";
import type { RecordDecoder } from "./record-decoder.ts";

/** Plaintext of bundles and pages that is kept: neighbours are usually asked for next. */
const CACHED_RECORDS_MAX = 16;
/** Whoever asked for a record keeps views of it, so that nobody knows when it can be freed: the collector finds out. */
const COLLECT_AFTER_BYTES = 8 * 1024 * 1024;
/** What is wrong with one place of a chunk and may be right at another. */
const PASSABLE: ReadonlySet<string> = new Set(["ERR_DAMAGED", "ERR_FORMAT_VERSION", "ERR_STORAGE_NOT_FOUND"]);

export class RecordReader {
  readonly #storage: Storage;
  readonly #index: ChunkIndex;
  readonly #decoder: RecordDecoder;
  readonly #bundles = new Map<string, Promise<Buffer>>();
  readonly #noteAllocated = createMinorCollection(COLLECT_AFTER_BYTES);

  constructor(storage: Storage, index: ChunkIndex, decoder: RecordDecoder) {
    this.#storage = storage;
    this.#index = index;
    this.#decoder = decoder;
  }

  /** The plaintext of a page, node or list. @throws AppError `ERR_DAMAGED`, or an error of the storage. */
  readonly readRecord = (type: number, id: Buffer): Promise<Buffer> =>
    this.#fromAnyPlace(id, async (place) => {
      const record = await this.#openAt(place);
      return this.#decoder.wholeRecord(record, type, id);
    });

  /** The content of a data chunk. @throws AppError `ERR_DAMAGED`, or an error of the storage. */
  readonly readChunk = (id: Buffer): Promise<Buffer> =>
    this.#fromAnyPlace(id, (place) => this.readChunkAt(place, id));

  /** The content of a data chunk at one of its places. @throws as {@link readChunk}. */
  async readChunkAt(place: ChunkPlace, id: Buffer): Promise<Buffer> {
    if (place.type !== RECORD_TYPES.bundle) {
      return this.#decoder.wholeRecord(await this.#openAt(place), RECORD_TYPES.chunk, id);
    }
    return this.#decoder.chunk(await this.#bundle(place), place, id);
  }

  /** A chunk may lie in several packs: one that is damaged or gone does not matter while another is good. */
  async #fromAnyPlace(id: Buffer, read: (place: ChunkPlace) => Promise<Buffer>): Promise<Buffer> {
    let failure: AppError | undefined;
    for (const place of this.#index.places(id)) {
      try {
        return await read(place);
      } catch (error) {
        if (!isPassable(error)) throw error;
        failure ??= error;
      }
    }
    throw failure ?? missingChunk(id);
  }

  #bundle(place: ChunkPlace): Promise<Buffer> {
    const key = `${place.pack.toString("hex")}/${String(place.offset)}`;
    const cached = this.#bundles.get(key);
    if (cached !== undefined) return cached;
    const [oldest] = this.#bundles.keys();
    if (this.#bundles.size >= CACHED_RECORDS_MAX && oldest !== undefined) this.#bundles.delete(oldest);
    const reading = this.#openAt(place).then((record) => this.#decoder.plaintext(record));
    this.#bundles.set(key, reading);
    reading.catch(() => this.#bundles.delete(key));
    return reading;
  }

  async #openAt(place: ChunkPlace): Promise<OpenRecord> {
    const name = packName(place.pack);
    if (!this.#decoder.knows(place.pack.toString("hex"))) {
      this.#decoder.addFront(place.pack, await this.#readFront(name, place.packLength));
    }
    const bytes = await this.#storage.get(name, { offset: place.offset, length: place.length });
    this.#noteAllocated(bytes.length * 2);
    return this.#decoder.open(place.pack, place.offset, bytes);
  }

  async #readFront(name: string, packLength: number): Promise<Buffer> {
    const guess = await this.#storage.get(name, {
      offset: 0,
      length: Math.min(packLength, packFrontLength(1)),
    });
    const needed = Math.min(packLength, packFrontLength(guess[25] ?? 0));
    return needed <= guess.length ? guess : this.#storage.get(name, { offset: 0, length: needed });
  }
}

/** Whether a failure concerns one place of a chunk only. */
export function isPassable(error: unknown): error is AppError {
  return isAppError(error) && PASSABLE.has(error.code);
}

export function missingChunk(id: Uint8Array): AppError {
  const hex = Buffer.from(id.subarray(0, 8)).toString("hex");
  return new AppError("ERR_DAMAGED", `The chunk ${hex} is missing: no index names it.`, {
    subject: hex,
    remedy: VERIFY_REMEDY,
  });
}
