/**
 * Metadata of a copy that this system has no place for: left out, and told once with the number of entries.
 *
 * @module
 */
import type { Entry, Xattr } from "@holdfast/repository";
import { kindOfAttribute } from "../platform/attribute-names.ts";
import { currentPlatform } from "../platform/current-platform.ts";

/** What of an entry's attributes this system takes. */
export function takenAttributes({ xattrs }: Entry): readonly Xattr[] {
  if (xattrs.length === 0) return xattrs;
  const { takes } = currentPlatform().attributes;
  return xattrs.filter(({ name }) => takes(name));
}

export class LeftOut {
  readonly #counts = new Map<string, number>();

  /** An entry that was restored. */
  note({ xattrs }: Entry): void {
    if (xattrs.length === 0) return;
    const { takes } = currentPlatform().attributes;
    const others = xattrs.filter(({ name }) => !takes(name));
    for (const kind of new Set(others.map(({ name }) => kindOfAttribute(name)))) this.add(kind, 1);
  }

  add(kind: string, count: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  /** By what people call them; empty afterwards. */
  drain(): readonly (readonly [kind: string, count: number])[] {
    const counts = [...this.#counts];
    this.#counts.clear();
    return counts;
  }
}

export function leftOutSentence(kind: string, count: number): string {
  const entries = count === 1 ? "1 entry" : `${String(count)} entries`;
  return `The ${kind} of ${entries} were left out: this system has no place for them.`;
}
