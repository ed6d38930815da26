/**
 * Damage to index segments. All they say can be learnt from the packs again, so nothing is lost by it.
 *
 * @module
 */
import { addIndex, firstPacks } from "./forge.ts";
import type { DamageKind } from "./damage-kind.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

const FRONT_BYTES = 56;

/** Head 24, salt 32, u32 length, head box, then a frame for each section of so small a segment. */
function sections(
  r: RepositoryInHand,
  name: string,
): Record<"head" | "salt" | "box" | "entries" | "packs" | "filter" | "fences", readonly [number, number]> {
  const length = r.read(name).length;
  const boxEnd = FRONT_BYTES + 4 + r.read(name).readUInt32LE(FRONT_BYTES);
  const count = firstPacks(r).reduce((sum, { directory }) => sum + directory.length, 0);
  const entriesEnd = boxEnd + count * 52 + 16;
  const packsEnd = entriesEnd + 2 * 40 + 16;
  const fencesStart = length - 8 - 16;
  return {
    head: [0, 24],
    salt: [24, FRONT_BYTES],
    box: [FRONT_BYTES, boxEnd],
    entries: [boxEnd, entriesEnd],
    packs: [entriesEnd, packsEnd],
    filter: [packsEnd, fencesStart],
    fences: [fencesStart, length],
  };
}

function sectionKind(section: keyof ReturnType<typeof sections>): DamageKind {
  return {
    name: `a bit flipped in an index segment: ${section}`,
    apply: (r) => {
      const name = r.object("index");
      r.flip(name, ...sections(r, name)[section]);
      return { objects: [name] };
    },
  };
}

/** Whoever has the storage can give it the name that fits: then only the tags tell. */
function renamedSectionKind(section: keyof ReturnType<typeof sections>): DamageKind {
  return {
    name: `a bit flipped in an index segment, its name made anew: ${section}`,
    apply: (r) => {
      const name = r.object("index");
      r.flip(name, ...sections(r, name)[section]);
      return { objects: [r.replace(name, r.read(name))] };
    },
  };
}

export const indexKinds: readonly DamageKind[] = [
  ...(["head", "salt", "box", "entries", "packs", "filter", "fences"] as const).map(sectionKind),
  ...(["salt", "box", "entries", "packs", "filter", "fences"] as const).map(renamedSectionKind),
  {
    name: "another version in the head of an index segment",
    apply: (r) => {
      const name = r.object("index");
      r.change(name, 5, 0b10);
      return { objects: [name] };
    },
  },
  {
    name: "index segment cut short",
    apply: (r) => {
      const name = r.object("index");
      const bytes = r.read(name);
      r.write(name, bytes.subarray(0, r.random.below(bytes.length)));
      return { objects: [name] };
    },
  },
  {
    name: "index segment cut short, its name made anew",
    apply: (r) => {
      const name = r.object("index");
      const bytes = r.read(name);
      return { objects: [r.replace(name, bytes.subarray(0, 100 + r.random.below(bytes.length - 200)))] };
    },
  },
  {
    name: "index segment removed",
    apply: (r) => {
      r.remove(r.object("index"));
      return {
        objects: firstPacks(r)
          .map(({ name }) => name)
          .toSorted(),
      };
    },
  },
  {
    name: "all index segments removed",
    apply: (r) => {
      for (const by of ["first", "second", "other"] as const) r.remove(r.object("index", by));
      return { objects: r.model.packs.map(({ name }) => name).toSorted() };
    },
  },
  {
    name: "two index segments exchanged under each other's names",
    apply: (r) => {
      const names = [r.object("index"), r.object("index", "other")] as const;
      r.exchange(...names);
      return { objects: [...names].toSorted() };
    },
  },
  {
    name: "index segment of another repository added",
    apply: (r) => ({ objects: [r.add("index", r.sample.foreign.index)] }),
  },
  {
    name: "a superseded index segment put back",
    apply: (r) => {
      const old = r.object("index");
      addIndex(r, firstPacks(r), [old]);
      return { objects: [] };
    },
  },
  {
    name: "a bit flipped in a superseded index segment",
    apply: (r) => {
      const old = r.object("index");
      addIndex(r, firstPacks(r), [old]);
      r.flip(old, 0, r.read(old).length);
      return { objects: [old] };
    },
  },
  {
    name: "an index segment a second time, under another name",
    apply: (r) => {
      addIndex(r, firstPacks(r), []);
      return { objects: [] };
    },
  },
];
