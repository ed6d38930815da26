/**
 * Follows references by the boxes that the table key opens: what a verification can do without the read capability. It
 * sees no paths and no lengths, only ids.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { ChunkIndex, ChunkPlace } from "../chunk-index/index.ts";
import { PackNames as HashSet } from "../chunk-index/pack-names.ts";
import type { ListedCopy } from "../copies/copies.ts";
import { packName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import type { PackKey } from "../packs/pack-key.ts";
import { readPackFront } from "../packs/read-directory.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { openRecord, openRefs } from "../packs/record-opener.ts";
import { isPassable, missingChunk } from "../reading/record-reader.ts";
import { throwIfCancelled } from "../tree/records.ts";
import type { ReferenceVisitor } from "./reference-walk.ts";

const ID_BYTES = 32;
/** Trees and lists have at most 32 levels each. */
const DEPTH_MAX = 80;
const PACK_KEYS_MAX = 4096;
const NO_PATH = Buffer.alloc(0);

export interface RefsWalkParts {
  readonly storage: Storage;
  readonly keys: Pick<KeySet, "repository" | "tableKey">;
  readonly index: ChunkIndex;
  readonly signal: AbortSignal | undefined;
}

export class RefsWalk {
  readonly #parts: RefsWalkParts;
  readonly #whole = new HashSet();
  readonly #packKeys = new Map<string, PackKey>();

  constructor(parts: RefsWalkParts) {
    this.#parts = parts;
  }

  /** As of `ReferenceWalk`, with empty paths and the lengths that the index says. */
  walkCopy(copy: ListedCopy, visitor: ReferenceVisitor): Promise<boolean> {
    return this.#record(copy.table.root.id, visitor, 0);
  }

  async #record(id: Buffer, visitor: ReferenceVisitor, depth: number): Promise<boolean> {
    throwIfCancelled(this.#parts.signal);
    if (this.#whole.has(id)) return true;
    const place = this.#parts.index.lookup(id);
    if (place !== undefined && isContent(place)) return visitor.chunk(id, place.chunkLength, () => NO_PATH);
    let isWhole = true;
    try {
      if (depth > DEPTH_MAX) throw new AppError("ERR_DAMAGED", "A tree has too many levels.");
      const refs = await this.#refsOf(id);
      visitor.record?.(id);
      for (let at = 0; at < refs.length; at += ID_BYTES) {
        const ref = Buffer.from(refs.subarray(at, at + ID_BYTES));
        isWhole = (await this.#record(ref, visitor, depth + 1)) && isWhole;
      }
    } catch (error) {
      if (!isPassable(error)) throw error;
      visitor.lost(id, error, NO_PATH);
      return false;
    }
    if (isWhole) this.#whole.add(id);
    return isWhole;
  }

  async #refsOf(id: Buffer): Promise<Buffer> {
    let failure: AppError | undefined;
    for (const place of this.#parts.index.places(id)) {
      try {
        return await this.#refsAt(place);
      } catch (error) {
        if (!isPassable(error)) throw error;
        failure ??= error;
      }
    }
    throw failure ?? missingChunk(id);
  }

  async #refsAt(place: ChunkPlace): Promise<Buffer> {
    const { storage, keys } = this.#parts;
    const name = packName(place.pack);
    const key = await this.#packKey(place, name);
    const bytes = await storage.get(name, { offset: place.offset, length: place.length });
    return openRefs(openRecord(key, bytes, place.offset, name), keys.tableKey, keys.repository);
  }

  async #packKey(place: ChunkPlace, name: string): Promise<PackKey> {
    const known = this.#packKeys.get(name);
    if (known !== undefined) return known;
    const { storage, keys } = this.#parts;
    const { key } = await readPackFront(storage, keys, name, place.packLength);
    if (this.#packKeys.size >= PACK_KEYS_MAX) this.#packKeys.clear();
    this.#packKeys.set(name, key);
    return key;
  }
}

function isContent({ type }: ChunkPlace): boolean {
  return type === RECORD_TYPES.chunk || type === RECORD_TYPES.bundle;
}
