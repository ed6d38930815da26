/**
 * Files with several names: the first one that comes is restored, the others become links to it afterwards.
 *
 * @module
 */
import type { Entry, HardLink } from "@holdfast/repository";
import type { EntryPlace } from "../restore-tree/outcome.ts";
import type { LinkedEntry } from "./messages.ts";

/** A name that waits for the first one. */
export interface LaterName {
  readonly key: string;
  readonly place: EntryPlace;
  /** In the copy. */
  readonly path: Buffer;
  readonly kind: Entry["kind"];
}

export class HardLinks {
  /** Whose first name was handed out; where it is, once it is there. */
  readonly #firsts = new Map<string, EntryPlace | undefined>();
  readonly #later: LaterName[] = [];

  /** True when this is the first name: it is to be restored like any entry. Else it waits. */
  isFirst(link: HardLink, name: Omit<LaterName, "key">): boolean {
    const key = keyOf(link);
    if (!this.#firsts.has(key)) {
      this.#firsts.set(key, undefined);
      return true;
    }
    this.#later.push({
      key,
      ...name,
      place: { folder: name.place.folder, name: Buffer.from(name.place.name) },
    });
    return false;
  }

  settle({ place, ...link }: LinkedEntry): void {
    if (place === undefined) return;
    this.#firsts.set(keyOf(link), { folder: Buffer.from(place.folder), name: Buffer.from(place.name) });
  }

  firstOf(name: LaterName): EntryPlace | undefined {
    return this.#firsts.get(name.key);
  }

  /** The names that wait, which do not any more. */
  takeLater(): readonly LaterName[] {
    return this.#later.splice(0);
  }
}

function keyOf({ device, inode }: HardLink): string {
  return `${String(device)}/${String(inode)}`;
}
