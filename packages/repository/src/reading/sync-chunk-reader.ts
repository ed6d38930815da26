/**
 * Chunks by id for one thread, synchronously: what restores are made of.
 *
 * Small chunks share bundles with their neighbours in the copy, so that the plaintext of the last bundles is kept.
 *
 * @module
 */
import { AppError, freeBytes, VERIFY_DATA_REMEDY } from "@holdfast/kernel";
import type { ChunkIndex, ChunkPlace } from "../chunk-index/index.ts";
import { packName } from "../format/object-names.ts";
import { packFrontLength } from "../packs/pack-format.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import type { OpenRecord } from "../packs/record-opener.ts";
import type { ObjectPart } from "./expected-reads.ts";
import type { SyncObjectReader } from "./sync-objects.ts";
import type { RecordDecoder } from "./record-decoder.ts";
import { isPassable, missingChunk } from "./record-reader.ts";

/** Twice as much saved hardly any reading of 150,000 small files: the bundles that a thread needs lie next to each other. */
const BUNDLE_BYTES_MAX = 8 * 1024 * 1024;
const NOTHING_EXPECTED: Disposable = { [Symbol.dispose]: () => undefined };

export interface SyncChunkReaderParts {
  readonly index: ChunkIndex;
  readonly decoder: RecordDecoder;
  readonly objects: SyncObjectReader;
  /** Plaintext of bundles that is kept, in bytes. */
  readonly bundleBytesMax?: number;
}

export class SyncChunkReader {
  readonly #index: ChunkIndex;
  readonly #decoder: RecordDecoder;
  readonly #objects: SyncObjectReader;
  readonly #bundleBytesMax: number;
  /** From the least to the most recently used. */
  readonly #bundles = new Map<string, Buffer>();
  #bundleBytes = 0;
  /** The chunk given out last, when it has memory of its own. */
  #last: Buffer | undefined;

  constructor(parts: SyncChunkReaderParts) {
    this.#index = parts.index;
    this.#decoder = parts.decoder;
    this.#objects = parts.objects;
    this.#bundleBytesMax = parts.bundleBytesMax ?? BUNDLE_BYTES_MAX;
  }

  /**
   * Says which chunks are going to be read, so that a remote storage may be asked for all of them at once; to be disposed
   * when they have been read.
   */
  expect(ids: Iterable<Buffer>): Disposable {
    if (this.#objects.expect === undefined) return NOTHING_EXPECTED;
    const parts: ObjectPart[] = [];
    const seen = new Set<string>();
    for (const id of ids) {
      const place = this.#index.lookup(id);
      if (place === undefined) continue;
      const key = bundleKey(place);
      if (seen.has(key) || this.#bundles.has(key)) continue;
      seen.add(key);
      const name = packName(place.pack);
      if (!seen.has(name) && !this.#decoder.knows(place.pack.toString("hex"))) {
        seen.add(name);
        parts.push({ name, offset: 0, length: Math.min(place.packLength, packFrontLength(1)) });
      }
      parts.push({ name, offset: place.offset, length: place.length });
    }
    return this.#objects.expect(parts);
  }

  /**
   * The content of a chunk, authenticated and checked against its id; valid until the next call, not to be written to.
   *
   * @param length what refers to the chunk says that it has so many bytes.
   * @throws AppError `ERR_DAMAGED` or `ERR_STORAGE_NOT_FOUND` when no place of the chunk is good, other errors of the storage.
   */
  read(id: Buffer, length: number): Buffer {
    if (this.#last !== undefined) freeBytes(this.#last);
    this.#last = undefined;
    const place = this.#index.lookup(id);
    if (place === undefined) throw missingChunk(id);
    try {
      return this.#readAt(place, id, length);
    } catch (error) {
      if (!isPassable(error)) throw error;
      return this.#readElsewhere(id, length, error);
    }
  }

  /** A chunk may lie in several packs: one that is damaged or gone does not matter while another is good. */
  #readElsewhere(id: Buffer, length: number, failure: AppError): Buffer {
    for (const place of this.#index.places(id)) {
      try {
        return this.#readAt(place, id, length);
      } catch (error) {
        if (!isPassable(error)) throw error;
      }
    }
    throw failure;
  }

  /** The chunk at one of its places. @throws as {@link read}. */
  #readAt(place: ChunkPlace, id: Buffer, length: number): Buffer {
    const isBundled = place.type === RECORD_TYPES.bundle;
    const chunk = isBundled
      ? this.#decoder.chunk(this.#bundle(place), place, id)
      : this.#decoder.wholeRecord(this.#open(place), RECORD_TYPES.chunk, id);
    if (chunk.length !== length) throw wrongLength(place, chunk.length, length);
    if (!isBundled) this.#last = chunk;
    return chunk;
  }

  #bundle(place: ChunkPlace): Buffer {
    const key = bundleKey(place);
    const cached = this.#bundles.get(key);
    if (cached !== undefined) {
      this.#bundles.delete(key);
      this.#bundles.set(key, cached);
      return cached;
    }
    const plaintext = this.#decoder.plaintext(this.#open(place));
    this.#bundleBytes += plaintext.length;
    for (const [oldest, bytes] of this.#bundles) {
      if (this.#bundleBytes <= this.#bundleBytesMax) break;
      this.#bundles.delete(oldest);
      this.#bundleBytes -= bytes.length;
      freeBytes(bytes);
    }
    this.#bundles.set(key, plaintext);
    return plaintext;
  }

  #open(place: ChunkPlace): OpenRecord {
    const name = packName(place.pack);
    if (!this.#decoder.knows(place.pack.toString("hex"))) this.#addFront(place, name);
    const record = this.#objects.read(name, place.offset, place.length, place.packLength);
    return this.#decoder.open(place.pack, place.offset, record);
  }

  #addFront(place: ChunkPlace, name: string): void {
    const { packLength } = place;
    let front = this.#objects.read(name, 0, Math.min(packLength, packFrontLength(1)), packLength);
    const needed = Math.min(packLength, packFrontLength(front[25] ?? 0));
    if (needed > front.length) front = this.#objects.read(name, 0, needed, packLength);
    this.#decoder.addFront(place.pack, front);
  }
}

function bundleKey({ pack, offset }: ChunkPlace): string {
  return `${pack.toString("latin1")}${String(offset)}`;
}

function wrongLength(place: ChunkPlace, found: number, expected: number): AppError {
  const subject = packName(place.pack);
  const message = `A chunk in ${subject} has ${String(found)} bytes, but the copy says ${String(expected)}.`;
  return new AppError("ERR_DAMAGED", message, { subject, remedy: VERIFY_DATA_REMEDY });
}
