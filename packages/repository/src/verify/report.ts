/**
 * What a verification says, and how it is collected.
 *
 * @module
 */

/** Something that is damaged or missing, and what that costs. */
export interface DamagedObject {
  /** Name of the object; for a chunk that is nowhere, `chunk ` and the start of its id. */
  readonly object: string;
  /** What is wrong with it, as sentences. */
  readonly message: string;
  /** Ids of the copies that lose something. Empty when nothing is lost. */
  readonly copies: readonly string[];
  /** Paths of the files that lose something, at most {@link PATHS_MAX}; of a lost part of a tree, where it begins. */
  readonly paths: readonly string[];
  /** How many more paths there are. */
  readonly pathsLeftOut: number;
}

export interface VerifyResult {
  /** Objects that were read. */
  readonly objects: number;
  /** Of these objects. */
  readonly bytes: number;
  readonly damaged: readonly DamagedObject[];
}

export interface VerifyProgress {
  readonly objects: number;
  readonly bytes: number;
  readonly objectsTotal: number;
  readonly bytesTotal: number;
}

/** Told as soon as it is found; which copies and paths are touched is known at the end. */
export interface FoundDamage {
  readonly object: string;
  readonly message: string;
}

/** Of one object: more do not help anybody, and a broken disk has millions. */
export const PATHS_MAX = 10_000;
const MESSAGES_MAX = 5;

interface Damage {
  readonly messages: Set<string>;
  readonly copies: Set<string>;
  readonly paths: Set<string>;
  pathsLeftOut: number;
}

export class DamageReport {
  readonly #damages = new Map<string, Damage>();
  readonly #onDamage: (found: FoundDamage) => void;

  constructor(onDamage: (found: FoundDamage) => void = () => undefined) {
    this.#onDamage = onDamage;
  }

  add(object: string, message: string): void {
    const damage = this.#of(object);
    if (damage.messages.has(message) || damage.messages.size >= MESSAGES_MAX) return;
    damage.messages.add(message);
    this.#onDamage({ object, message });
  }

  /** Notes what is lost with an object. */
  touch(object: string, copy: string, path?: string): void {
    const damage = this.#of(object);
    damage.copies.add(copy);
    if (path === undefined || damage.paths.has(path)) return;
    if (damage.paths.size < PATHS_MAX) damage.paths.add(path);
    else damage.pathsLeftOut += 1;
  }

  has(object: string): boolean {
    return this.#damages.has(object);
  }

  finish(): DamagedObject[] {
    return [...this.#damages]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([object, { messages, copies, paths, pathsLeftOut }]) => ({
        object,
        message: [...messages].join(" "),
        copies: [...copies],
        paths: [...paths],
        pathsLeftOut,
      }));
  }

  #of(object: string): Damage {
    const known = this.#damages.get(object);
    if (known !== undefined) return known;
    const damage: Damage = { messages: new Set(), copies: new Set(), paths: new Set(), pathsLeftOut: 0 };
    this.#damages.set(object, damage);
    return damage;
  }
}
