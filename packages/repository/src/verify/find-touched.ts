/**
 * Finds out what damage costs: goes through the copies and tries every chunk that lies in a pack with which something is
 * wrong.
 *
 * @module
 */
import type { ChunkIndex, ChunkPlace } from "../chunk-index/index.ts";
import type { ListedCopy } from "../copies/copies.ts";
import { packName } from "../format/object-names.ts";
import { isPassable, type RecordReader } from "../reading/record-reader.ts";
import { showPath } from "../tree/paths.ts";
import type { KnownPacks } from "./known-packs.ts";
import type { ReferenceVisitor } from "./reference-walk.ts";
import type { DamageReport } from "./report.ts";

/** Results of trying that are kept; then the oldest are tried again. */
const TRIED_MAX = 200_000;

export interface TouchedParts {
  /** Of all packs, also those that no index segment names. */
  readonly index: ChunkIndex;
  /** Of packs that an index segment names; undefined when that is all of them. */
  readonly indexed: ChunkIndex | undefined;
  readonly packs: KnownPacks;
  readonly report: DamageReport;
  /** Absent without the read capability: then everything in a pack with a problem counts as lost. */
  readonly reader: RecordReader | undefined;
}

export class TouchedFinder {
  readonly #parts: TouchedParts;
  /** Whether the chunk at a place is good. */
  readonly #tried = new Map<string, boolean>();

  constructor(parts: TouchedParts) {
    this.#parts = parts;
  }

  visitor(copy: ListedCopy): ReferenceVisitor {
    return {
      chunk: (id, length, path) => {
        this.#noteIfUnindexed(id);
        return this.#isReachable(id, length) || this.#tryChunk(copy, id, length, path());
      },
      record: (id) => {
        this.#noteIfUnindexed(id);
      },
      lost: (id, error, path) => {
        this.#lose(copy, id, error.message, path);
      },
    };
  }

  #isReachable(id: Buffer, length: number): boolean {
    const { index, packs } = this.#parts;
    return index.places(id).some((place) => packs.isSound(place, length));
  }

  async #tryChunk(copy: ListedCopy, id: Buffer, length: number, path: Buffer): Promise<boolean> {
    const { index, packs } = this.#parts;
    for (const place of index.places(id)) {
      if (packs.has(place.pack) && (await this.#isGood(place, id, length))) return true;
    }
    this.#lose(copy, id, undefined, path);
    return false;
  }

  async #isGood(place: ChunkPlace, id: Buffer, length: number): Promise<boolean> {
    const { reader } = this.#parts;
    if (reader === undefined) return false;
    const key = `${place.pack.toString("latin1")}${String(place.offset)}/${id.toString("latin1")}`;
    const known = this.#tried.get(key);
    if (known !== undefined) return known;
    const good = await isReadable(reader, place, id, length);
    const [oldest] = this.#tried.keys();
    if (this.#tried.size >= TRIED_MAX && oldest !== undefined) this.#tried.delete(oldest);
    this.#tried.set(key, good);
    return good;
  }

  /** Names the objects that something was lost with. */
  #lose(copy: ListedCopy, id: Buffer, message: string | undefined, path: Buffer): void {
    const { index, packs, report } = this.#parts;
    const shown = showPath(path);
    const places = index.places(id);
    for (const place of places) {
      const name = packName(place.pack);
      if (!report.has(name)) report.add(name, message ?? reasonOf(place, packs));
      report.touch(name, copy.id, shown);
    }
    if (places.length > 0) return;
    const object = `chunk ${id.toString("hex", 0, 8)}`;
    report.add(object, "It is in no pack.");
    report.touch(object, copy.id, shown);
  }

  /** A restore looks into packs that no segment names, but a backup and a clean-up do not. */
  #noteIfUnindexed(id: Buffer): void {
    const { index, indexed, report } = this.#parts;
    if (indexed === undefined || indexed.places(id).length > 0) return;
    for (const { pack } of index.places(id)) {
      report.add(packName(pack), "No index segment names it, but copies need what is in it.");
    }
  }
}

async function isReadable(
  reader: RecordReader,
  place: ChunkPlace,
  id: Buffer,
  length: number,
): Promise<boolean> {
  try {
    return (await reader.readChunkAt(place, id)).length === length;
  } catch (error) {
    if (!isPassable(error)) throw error;
    return false;
  }
}

function reasonOf(place: ChunkPlace, packs: KnownPacks): string {
  return packs.has(place.pack)
    ? "What the index says about a chunk in it does not fit the copies."
    : "It is missing.";
}
