/**
 * Finds what copies need, by following references from the roots in their table boxes: the table key is enough, and of the
 * packs only tree records are read, each once over all copies (docs/format.md, section 4.1).
 *
 * @module
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError } from "@holdfast/kernel";
import { ID_BYTES, INDEX_ENTRY_BYTES } from "../chunk-index/entry.ts";
import { type LoadedIndex, loadSnapshot } from "../chunk-index/index.ts";
import { type ListedCopy, listCopies } from "../copies/copies.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import type { Repository } from "../repository.ts";
import { IdBatch } from "./id-batch.ts";
import { LiveChunks } from "./live-chunks.ts";
import { forEachEntry, type Hit, LiveIndex, type LiveSegment } from "./live-index.ts";
import { type QueuedRecord, RecordQueue } from "./record-queue.ts";
import { type ReadRefs, RefsReader } from "./refs-reader.ts";

export interface MarkOptions {
  /** The manifests are not in this storage, so that none can be seen to be forgotten. */
  readonly unpublished?: boolean;
  /** Hex SHA-256 of packs that count only where a chunk has no other place. */
  readonly avoid?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
  /** Called now and then, with the number of tree records read so far. */
  readonly onProgress?: (records: number) => Promise<void> | void;
}

const READ_BYTES_AT_ONCE = 16 * 1024 * 1024;
const LOOKUPS_PER_TURN = 4096;
/** A list made while somebody merges segments can miss entries: what seems missing is looked for in a new one. */
const ATTEMPTS_MAX = 3;

/**
 * What the copies need. A chunk with several places is needed from one of them: from a pack that need not be avoided, then from
 * the one of which most is needed, then from the one with the smallest hash.
 *
 * @throws AppError `ERR_DAMAGED` when something that a copy needs is nowhere, or an error of the storage.
 */
export async function markLive(
  repository: Repository,
  copies: readonly ListedCopy[],
  options: MarkOptions = {},
): Promise<LiveChunks> {
  let wanted = copies;
  for (let attempt = 1; ; attempt += 1) {
    const loaded = await loadIndex(repository, options.signal);
    try {
      const marker = new Marker(repository, loaded, options);
      await marker.mark(wanted);
      if (marker.missing === undefined) return await marker.settle();
      if (attempt === ATTEMPTS_MAX || options.unpublished === true) throw marker.missing;
      loaded[Symbol.dispose]();
    } catch (error) {
      loaded[Symbol.dispose]();
      throw error;
    }
    wanted = await notForgotten(repository, wanted);
  }
}

/** What seems missing may have been needed by a copy that was forgotten meanwhile. */
async function notForgotten(
  repository: Repository,
  copies: readonly ListedCopy[],
): Promise<readonly ListedCopy[]> {
  const there: ListedCopy[] = [];
  for (const copy of copies) {
    if ((await repository.ports.storage.stat(copy.name)) !== null) there.push(copy);
  }
  return there;
}

/** Every copy. @throws AppError `ERR_DAMAGED` when one cannot be read: nobody knows what it needs. */
export async function listWholeCopies(repository: Repository): Promise<readonly ListedCopy[]> {
  const { copies, damaged } = await listCopies(repository.ports.storage, repository.keys);
  const [first] = damaged;
  if (first === undefined) return copies;
  throw new AppError("ERR_DAMAGED", `${String(damaged.length)} copies cannot be read: ${first.message}`, {
    ...(first.subject === undefined ? {} : { subject: first.subject }),
    remedy: "Put the object back from a replica, or forget the copy; nothing was deleted.",
    cause: first,
  });
}

export async function loadIndex(repository: Repository, signal?: AbortSignal): Promise<LoadedIndex> {
  const { ports, keys } = repository;
  return loadSnapshot(ports.storage, keys, {
    ...(ports.cacheDir === undefined ? {} : { cacheDir: ports.cacheDir }),
    ...(signal === undefined ? {} : { signal }),
  });
}

class Marker {
  readonly #loaded: LoadedIndex;
  readonly #options: MarkOptions;
  readonly #index: LiveIndex;
  readonly #refs: RefsReader;
  readonly #avoided: Uint8Array;
  readonly #ids = new IdBatch();
  readonly #queue = new RecordQueue();
  #hasShared = false;
  #records = 0;
  missing: AppError | undefined;

  constructor(repository: Repository, loaded: LoadedIndex, options: MarkOptions) {
    const { ports, keys } = repository;
    this.#loaded = loaded;
    this.#options = options;
    this.#index = new LiveIndex(loaded.snapshot);
    this.#refs = new RefsReader(ports.storage, keys, this.#index.packs, options.signal);
    this.#avoided = new Uint8Array(this.#index.packs.count);
    for (const hex of options.avoid ?? []) {
      const number = this.#index.packs.numberOf(Buffer.from(hex, "hex"));
      if (number !== undefined) this.#avoided[number] = 1;
    }
  }

  /** Stops at the first thing that is {@link missing}. */
  async mark(copies: readonly ListedCopy[]): Promise<void> {
    for (const { table } of copies) this.#ids.add(table.root.id);
    while (this.missing === undefined && this.#ids.count + this.#queue.count > 0) {
      if (this.#queue.count > 0 && !this.#ids.isFull) await this.#readRecords();
      else await this.#lookUp();
    }
  }

  /** Chooses one place for every needed chunk, and counts. */
  async settle(): Promise<LiveChunks> {
    const { count } = this.#index.packs;
    const liveBytes = new Float64Array(count);
    const totalBytes = new Float64Array(count);
    const wantedBytes = new Float64Array(count);
    for (const segment of this.#index.segments) {
      await forEachEntry(segment, this.#pause, (entries, at, entry, pack) => {
        const bytes = bytesOf(entries, at);
        addTo(totalBytes, pack, bytes);
        if (!segment.needed.has(entry)) return;
        addTo(wantedBytes, pack, bytes);
        if (!segment.shared.has(entry)) addTo(liveBytes, pack, bytes);
      });
    }
    if (this.#hasShared) {
      const shares = wantedBytes.map((bytes, pack) => bytes / (totalBytes[pack] ?? 1));
      for (const segment of this.#index.segments) await this.#choosePlaces(segment, shares, liveBytes);
    }
    return new LiveChunks(this.#index, this.#loaded, liveBytes, totalBytes);
  }

  async #readRecords(): Promise<void> {
    const failed: { readonly record: QueuedRecord; readonly error: AppError }[] = [];
    await this.#refs.read(this.#queue.take(READ_BYTES_AT_ONCE), (record, refs: ReadRefs) => {
      if (refs instanceof AppError) failed.push({ record, error: refs });
      else this.#ids.add(refs);
      this.#records += 1;
    });
    for (const { record, error } of failed) await this.#readElsewhere(record, error);
    await this.#pause();
  }

  /** Another place of a tree record that cannot be read where it was chosen. */
  async #readElsewhere(record: QueuedRecord, failure: AppError): Promise<void> {
    const hits = this.#hits(record.id);
    const { id } = record;
    for (const { place, pack, segment, entry } of hits) {
      const { offset, length } = place;
      let refs: ReadRefs = failure;
      await this.#refs.read([{ id, pack, offset, length }], (_, found) => {
        refs = found;
      });
      if (refs instanceof AppError) continue;
      for (const hit of hits) hit.segment.needed.clear(hit.entry);
      segment.needed.set(entry);
      this.#ids.add(refs);
      return;
    }
    this.missing ??= failure;
  }

  async #lookUp(): Promise<void> {
    let count = 0;
    for (const id of this.#ids.drain()) {
      this.#visit(id);
      count += 1;
      if (count % LOOKUPS_PER_TURN === 0) await this.#pause();
      if (this.missing !== undefined) return;
    }
    await this.#pause();
  }

  #visit(id: Buffer): void {
    const hits = this.#hits(id);
    const [best] = hits;
    if (best === undefined) {
      this.missing = missingChunk(id);
      return;
    }
    if (hits.some(({ segment, entry }) => segment.needed.has(entry))) return;
    const { type, offset, length } = best.place;
    if (type === RECORD_TYPES.chunk || type === RECORD_TYPES.bundle) {
      for (const { segment, entry } of hits) {
        segment.needed.set(entry);
        if (hits.length > 1) segment.shared.set(entry);
      }
      if (hits.length > 1) this.#hasShared = true;
      return;
    }
    best.segment.needed.set(best.entry);
    this.#queue.add({ id, pack: best.pack, offset, length });
  }

  /** The best place first. */
  #hits(id: Buffer): Hit[] {
    const hits = this.#index.hits(id, 0);
    if (hits.length > 1) hits.sort((one, other) => this.#compare(one, other));
    return hits;
  }

  #compare(one: Hit, other: Hit): number {
    const avoided = (this.#avoided[one.pack] ?? 0) - (this.#avoided[other.pack] ?? 0);
    return avoided === 0 ? this.#index.packs.compare(one.pack, other.pack) : avoided;
  }

  async #choosePlaces(segment: LiveSegment, shares: Float64Array, liveBytes: Float64Array): Promise<void> {
    await forEachEntry(segment, this.#pause, (entries, at, entry) => {
      if (!segment.shared.has(entry)) return;
      const hits = this.#hits(Buffer.from(entries.subarray(at, at + ID_BYTES)));
      const [first] = hits;
      if (first === undefined) return;
      const good = hits.filter(({ pack }) => this.#avoided[pack] === this.#avoided[first.pack]);
      const chosen = good.reduce((best, hit) =>
        (shares[hit.pack] ?? 0) > (shares[best.pack] ?? 0) ? hit : best,
      );
      for (const hit of hits) {
        hit.segment.shared.clear(hit.entry);
        hit.segment.needed.clear(hit.entry);
      }
      chosen.segment.needed.set(chosen.entry);
      addTo(liveBytes, chosen.pack, bytesOf(entries, at));
    });
  }

  readonly #pause = async (): Promise<void> => {
    if (this.#options.signal?.aborted === true) {
      throw new AppError("ERR_CANCELLED", "The work on the repository was cancelled.", {
        remedy: "Run it again: it goes on from what is there.",
      });
    }
    await this.#options.onProgress?.(this.#records);
    await nextTurn();
  };
}

function addTo(counts: Float64Array, pack: number, bytes: number): void {
  counts[pack] = (counts[pack] ?? 0) + bytes;
}

/** What an entry stands for in its pack: its record, or its share of a bundle. */
function bytesOf(entries: Buffer, at: number): number {
  const packed = entries.readUInt32LE(at + INDEX_ENTRY_BYTES - 4);
  const isBundle = packed >>> 24 === RECORD_TYPES.bundle;
  return isBundle ? packed % 0x100_0000 : entries.readUInt32LE(at + INDEX_ENTRY_BYTES - 12);
}

function missingChunk(id: Buffer): AppError {
  const hex = id.toString("hex", 0, 8);
  return new AppError("ERR_DAMAGED", `A copy needs the chunk ${hex}, which no index names.`, {
    subject: hex,
    remedy:
      "Run `holdfast clean`, which looks for it in packs that no index names; if that fails, `holdfast verify` names " +
      "the copies that are touched. Nothing was deleted.",
  });
}
