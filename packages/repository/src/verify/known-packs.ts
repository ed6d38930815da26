/**
 * The packs of a repository while it is verified: which are there, and which are not to be trusted.
 *
 * @module
 */
import type { ChunkPlace } from "../chunk-index/index.ts";
import { hashOfName } from "../format/object-names.ts";
import type { ListedObject } from "./object-list.ts";

export class KnownPacks {
  /** Bytes by hash (latin1). */
  readonly #sizes = new Map<string, number>();
  readonly #suspicious = new Set<string>();

  constructor(objects: Iterable<ListedObject>) {
    for (const { name, kind, size } of objects) {
      if (kind === "pack") this.#sizes.set(keyOfName(name), size);
    }
  }

  get hasSuspicious(): boolean {
    return this.#suspicious.size > 0;
  }

  /** Something is wrong with a pack: each of its records is to be tried. */
  suspect(name: string): void {
    this.#suspicious.add(keyOfName(name));
  }

  remove(name: string): void {
    this.#sizes.delete(keyOfName(name));
  }

  has(pack: Buffer): boolean {
    return this.#sizes.has(pack.toString("latin1"));
  }

  isSuspicious(pack: Buffer): boolean {
    return this.#suspicious.has(pack.toString("latin1"));
  }

  /** Whether nothing speaks against a place of a chunk of so many bytes. */
  isSound(place: ChunkPlace, length: number): boolean {
    const key = place.pack.toString("latin1");
    return (
      place.chunkLength === length && this.#sizes.get(key) === place.packLength && !this.#suspicious.has(key)
    );
  }
}

function keyOfName(name: string): string {
  return hashOfName(name)?.toString("latin1") ?? name;
}
