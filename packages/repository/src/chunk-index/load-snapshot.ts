/**
 * Loads the index of a repository: lists its segments, leaves out superseded ones, and puts filters and fences into shared
 * memory.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError, isAppError } from "@holdfast/kernel";
import type { ObjectInfo, Storage } from "@holdfast/storage";
import { hashOfName, PREFIXES } from "../format/object-names.ts";
import { ID_BYTES } from "./entry.ts";
import { FrameCache } from "./frame-cache.ts";
import {
  decodeSegmentFront,
  decodeSegmentHead,
  type IndexKeys,
  SEGMENT_FRONT_BYTES,
  type SegmentHead,
} from "./segment-format.ts";
import { inParallel } from "./in-parallel.ts";
import { closeStore, SegmentFiles, type StoredSegment } from "./segment-files.ts";
import { SharedArena, sharedCopy } from "./shared-memory.ts";
import { readSegmentHead, SegmentReader } from "./segment-reader.ts";
import { type ChunkIndexSnapshot, isFilterUseful, type SegmentDescription, sourceOf } from "./snapshot.ts";

const FILTER_BYTES_MAX = 160 * 1024 * 1024;
const SHARED_BYTES_MAX = 1024 * 1024 * 1024;
/** Each time somebody merged segments between our list and our reading: rare once, absurd so often. */
const LISTS_MAX = 5;
const HEAD_FIRST_BYTES = 16 * 1024;

export interface LoadSnapshotOptions {
  /** Where segments are mirrored, still encrypted, when the storage's objects are no local files. */
  readonly cacheDir?: string;
  /** SHA-256 of packs whose chunks do not count: 32 bytes, or in hex. */
  readonly condemned?: Iterable<Uint8Array | string>;
  /** Memory for filters; segments beyond are asked for every id in their range. Default 160 MiB. */
  readonly filterBytesMax?: number;
  /** Memory for segments when there are neither local files nor a cache folder. Default 1 GiB. */
  readonly sharedBytesMax?: number;
  /** Collect damaged segments instead of failing. */
  readonly tolerateDamage?: boolean;
  /** Read every segment whole and check it against its name. */
  readonly checkHashes?: boolean;
  readonly signal?: AbortSignal;
}

export interface DamagedSegment {
  readonly name: string;
  readonly error: AppError;
}

/** Dispose it when no thread uses the snapshot any more: that closes the files. */
export interface LoadedIndex extends Disposable {
  readonly snapshot: ChunkIndexSnapshot;
  readonly damaged: readonly DamagedSegment[];
  /** Names of segments that another one supersedes and that are still in the storage. */
  readonly superseded: readonly string[];
  /** Since when each of them is superseded, by the storage's clock. */
  readonly supersededSinceMs: ReadonlyMap<string, number>;
}

/**
 * @throws AppError `ERR_DAMAGED` naming the segment (unless tolerated), `ERR_FORMAT_VERSION`, `ERR_USAGE` when the
 * index needs a cache folder, `ERR_STORAGE_NOT_FOUND` when segments vanish again and again, other errors of the storage.
 */
export async function loadSnapshot(
  storage: Storage,
  keys: IndexKeys,
  options: LoadSnapshotOptions = {},
): Promise<LoadedIndex> {
  const loader = new SnapshotLoader(storage, keys, options);
  try {
    return await loader.load();
  } catch (error) {
    loader.close();
    throw error;
  }
}

interface OpenSegment {
  readonly stored: StoredSegment;
  readonly head: SegmentHead;
}

class SnapshotLoader {
  readonly #storage: Storage;
  readonly #keys: IndexKeys;
  readonly #options: LoadSnapshotOptions;
  readonly #files: SegmentFiles;
  readonly #open = new Map<string, OpenSegment>();
  /** What heads say, also of segments that were not opened because they are superseded. */
  readonly #superseded = new Map<string, readonly string[]>();
  readonly #damaged = new Map<string, AppError>();

  constructor(storage: Storage, keys: IndexKeys, options: LoadSnapshotOptions) {
    this.#storage = storage;
    this.#keys = keys;
    this.#options = options;
    this.#files = new SegmentFiles(storage, {
      cacheDir: options.cacheDir,
      sharedBytesMax: options.sharedBytesMax ?? SHARED_BYTES_MAX,
      checkHashes: options.checkHashes ?? false,
      signal: options.signal,
    });
  }

  close(): void {
    for (const { stored } of this.#open.values()) closeStore(stored.store);
    this.#open.clear();
  }

  async load(): Promise<LoadedIndex> {
    for (let lists = 1; ; lists += 1) {
      try {
        return await this.#loadListed(await this.#list());
      } catch (error) {
        if (!isAppError(error, "ERR_STORAGE_NOT_FOUND") || lists >= LISTS_MAX) throw error;
      }
    }
  }

  async #list(): Promise<Map<string, ObjectInfo>> {
    const objects = new Map<string, ObjectInfo>();
    for await (const object of this.#storage.list(PREFIXES.index, this.#options.signal)) {
      if (hashOfName(object.name) !== undefined) objects.set(object.name, object);
    }
    return objects;
  }

  async #loadListed(objects: ReadonlyMap<string, ObjectInfo>): Promise<LoadedIndex> {
    this.#forgetAllBut(objects);
    await inParallel([...objects.values()], (object) =>
      this.#tolerate(object.name, () => this.#readHead(object)),
    );
    const superseded = new Set([...this.#superseded.values()].flat());
    for (const name of superseded) this.#forget(name);
    const live = [...objects.keys()].filter((name) => !superseded.has(name)).toSorted();
    await inParallel(live, (name) => this.#tolerate(name, () => this.#ensureOpen(name)));
    const segments = await this.#describeAll(live.filter((name) => this.#open.has(name)));
    await this.#files.sweepMirror(new Set(objects.keys()));
    return {
      snapshot: {
        // A copy: posting a piece of a pooled buffer would post the pool.
        repository: Uint8Array.from(this.#keys.repository),
        tableKey: this.#keys.tableKey,
        segments,
        condemned: hashRows(this.#options.condemned ?? []),
        tolerateDamage: this.#options.tolerateDamage ?? false,
      },
      damaged: [...this.#damaged].map(([name, error]) => ({ name, error })),
      superseded: [...superseded].filter((name) => objects.has(name)),
      supersededSinceMs: this.#supersededSinceMs(objects),
      [Symbol.dispose]: () => {
        this.close();
      },
    };
  }

  #supersededSinceMs(objects: ReadonlyMap<string, ObjectInfo>): Map<string, number> {
    const since = new Map<string, number>();
    for (const [name, superseded] of this.#superseded) {
      const { modifiedMs = Number.MAX_SAFE_INTEGER } = objects.get(name) ?? {};
      for (const other of superseded) since.set(other, Math.min(modifiedMs, since.get(other) ?? modifiedMs));
    }
    return since;
  }

  /** Of another list than this one: a segment that is gone may be needed no more, or be superseded by a new one. */
  #forgetAllBut(objects: ReadonlyMap<string, unknown>): void {
    for (const name of this.#open.keys()) if (!objects.has(name)) this.#forget(name);
    for (const name of this.#superseded.keys()) if (!objects.has(name)) this.#superseded.delete(name);
    this.#damaged.clear();
  }

  #forget(name: string): void {
    const segment = this.#open.get(name);
    this.#open.delete(name);
    this.#damaged.delete(name);
    if (segment !== undefined) closeStore(segment.stored.store);
  }

  async #tolerate(name: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      // A single segment of a newer version has a changed byte: the config says what version the repository has.
      const damaged = isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_FORMAT_VERSION");
      if (this.#options.tolerateDamage !== true || !damaged) throw error;
      this.#forget(name);
      this.#damaged.set(name, error);
    }
  }

  /** A superseded segment of a remote storage is known by the heads alone and never fetched. */
  async #readHead(object: ObjectInfo): Promise<void> {
    if (this.#superseded.has(object.name)) return;
    if (this.#files.isNear(object)) {
      await this.#ensureOpen(object.name);
      return;
    }
    const head = await this.#fetchHead(object);
    this.#superseded.set(object.name, head.superseded);
  }

  async #fetchHead({ name, size }: ObjectInfo): Promise<SegmentHead> {
    const { signal } = this.#options;
    let bytes = await this.#storage.get(
      name,
      { offset: 0, length: Math.min(size, HEAD_FIRST_BYTES) },
      signal,
    );
    const front = bytes.subarray(0, SEGMENT_FRONT_BYTES);
    const length = SEGMENT_FRONT_BYTES + decodeSegmentFront(front, this.#keys.repository, name, size);
    if (length > bytes.length) bytes = await this.#storage.get(name, { offset: 0, length }, signal);
    return decodeSegmentHead(bytes.subarray(0, length), this.#keys, name, size);
  }

  async #ensureOpen(name: string): Promise<void> {
    if (this.#open.has(name) || this.#damaged.has(name)) return;
    const stored = await this.#files.open(name);
    try {
      this.#keep(stored);
    } catch (error) {
      closeStore(stored.store);
      if (!stored.mirrored || !isAppError(error, "ERR_DAMAGED")) throw error;
      await this.#openFresh(name);
    }
  }

  async #openFresh(name: string): Promise<void> {
    const stored = await this.#files.open(name, true);
    try {
      this.#keep(stored);
    } catch (error) {
      closeStore(stored.store);
      throw error;
    }
  }

  #keep(stored: StoredSegment): void {
    const head = readSegmentHead(sourceOf(stored.store, stored.name), this.#keys, stored.name);
    this.#superseded.set(stored.name, head.superseded);
    this.#open.set(stored.name, { stored, head });
  }

  async #describeAll(names: readonly string[]): Promise<SegmentDescription[]> {
    const readers = names.map((name) => ({ name, reader: this.#readerOf(name) }));
    const filtered = this.#filtered(readers.map(({ reader }) => reader));
    const filterBytes = [...filtered].reduce((sum, reader) => sum + reader.filterBytes, 0);
    const filters = new SharedArena(filterBytes);
    const fences = new SharedArena(readers.reduce((sum, { reader }) => sum + reader.fencesBytes, 0));
    const described: SegmentDescription[] = [];
    for (const { name, reader } of readers) {
      const filter = filters.take(filtered.has(reader) ? reader.filterBytes : 0);
      const fence = fences.take(reader.fencesBytes);
      await this.#tolerate(name, async () => {
        described.push(await this.#describe(name, filter, fence));
      });
      await nextTurn();
      if (this.#options.signal?.aborted === true) {
        throw new AppError("ERR_CANCELLED", "Loading the index was cancelled.");
      }
    }
    return described;
  }

  /** As many segments as the budget allows: the smallest filters first. */
  #filtered(readers: readonly SegmentReader[]): Set<SegmentReader> {
    let left = this.#options.filterBytesMax ?? FILTER_BYTES_MAX;
    const chosen = new Set<SegmentReader>();
    for (const reader of readers.toSorted((one, other) => one.filterBytes - other.filterBytes)) {
      if (reader.filterBytes > left) break;
      if (!isFilterUseful(reader.counts)) continue;
      left -= reader.filterBytes;
      chosen.add(reader);
    }
    return chosen;
  }

  async #describe(name: string, filter: Uint8Array, fences: Uint8Array): Promise<SegmentDescription> {
    try {
      return this.#fill(name, filter, fences);
    } catch (error) {
      if (this.#open.get(name)?.stored.mirrored !== true || !isAppError(error, "ERR_DAMAGED")) throw error;
      this.#forget(name);
      await this.#openFresh(name);
      return this.#fill(name, filter, fences);
    }
  }

  #fill(name: string, filter: Uint8Array, fences: Uint8Array): SegmentDescription {
    const reader = this.#readerOf(name);
    reader.readFences(fences);
    if (filter.length > 0) reader.readFilter(filter);
    const { stored, head } = this.#opened(name);
    const { counts, bodyOffset } = head;
    const salt = Uint8Array.from(head.salt);
    return { name, store: stored.store, salt, counts, bodyOffset, range: reader.readRange(), fences, filter };
  }

  #readerOf(name: string): SegmentReader {
    const { stored, head } = this.#opened(name);
    const source = sourceOf(stored.store, name);
    return new SegmentReader({ ...head, name, source }, this.#keys, new FrameCache());
  }

  #opened(name: string): OpenSegment {
    const segment = this.#open.get(name);
    if (segment === undefined) throw new Error(`${name} is not open`);
    return segment;
  }
}

function hashRows(hashes: Iterable<Uint8Array | string>): Uint8Array {
  const rows = Array.from(hashes, (hash) => (typeof hash === "string" ? Buffer.from(hash, "hex") : hash));
  assert(rows.every((row) => row.length === ID_BYTES));
  return sharedCopy(Buffer.concat(rows));
}
