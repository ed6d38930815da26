/**
 * Damage to packs that somebody with the storage alone can do.
 *
 * @module
 */
import type { RecordLayout } from "./copy-model.ts";
import type { DamageKind, Expected } from "./damage-kind.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

type Where = Pick<RecordLayout, "pack" | "offset" | "length">;

const SEALED_HEADER_BYTES = 128;
const HEAD_BYTES = 24;
const SALT_START = 32;
const FRONT_START = 64;

const allOf =
  (...packs: readonly string[]) =>
  ({ pack }: Where): boolean =>
    packs.includes(pack);
const only =
  (record: Where) =>
  ({ pack, offset }: Where): boolean =>
    pack === record.pack && offset === record.offset;

/** Of the frames of a record: where they begin and end in the pack. */
function framesOf({ offset, length, refsLength }: RecordLayout): readonly [number, number] {
  return [offset + SEALED_HEADER_BYTES + refsLength, offset + length];
}

/** Bytes of a tag at the end of a frame, by suite. */
function tagBytes(r: RepositoryInHand): number {
  return r.sample.suite.method === "cbc" ? 32 : 16;
}

function recordKind(
  name: string,
  type: 1 | 2 | 3 | 4 | 5,
  part: (record: RecordLayout, r: RepositoryInHand) => readonly [number, number],
  everySuite = true,
): DamageKind {
  return {
    name: `a bit flipped in ${name}`,
    everySuite,
    apply: (r) => {
      const record = r.record(type);
      r.flip(record.pack, ...part(record, r));
      return { objects: [record.pack], lost: only(record) };
    },
  };
}

const header = ({ offset }: RecordLayout): readonly [number, number] => [
  offset,
  offset + SEALED_HEADER_BYTES,
];
/** Without the tag of the last frame; with CBC, the IV is a part of it. */
const ciphertext = (record: RecordLayout, r: RepositoryInHand): readonly [number, number] => {
  const [start, end] = framesOf(record);
  return [start, end - tagBytes(r)];
};
const tag = (record: RecordLayout, r: RepositoryInHand): readonly [number, number] => {
  const [, end] = framesOf(record);
  return [end - tagBytes(r), end];
};

const recordKinds: readonly DamageKind[] = [
  recordKind("the sealed header of a chunk", 1, header),
  recordKind("the ciphertext of a chunk", 1, ciphertext),
  recordKind("the tag of a chunk", 1, tag),
  recordKind("the sealed header of a bundle", 2, header),
  recordKind("the ciphertext of a bundle", 2, ciphertext),
  recordKind("the tag of a bundle", 2, tag),
  recordKind("the ciphertext of a list", 3, ciphertext),
  recordKind("the sealed header of a page", 4, header, false),
  recordKind("the ciphertext of a page", 4, ciphertext),
  recordKind("the tag of a page", 4, tag, false),
  recordKind("the ciphertext of a node", 5, ciphertext),
  {
    name: "a bit flipped in the refs box of a page, which no restore needs",
    apply: (r) => {
      const { records } = r.pack("metadata");
      const withRefs = records.filter(({ type, refsLength }) => type === 4 && refsLength > 0);
      const { pack, offset, refsLength } = r.random.pick(withRefs);
      const start = offset + SEALED_HEADER_BYTES;
      r.flip(pack, start, start + refsLength);
      return { objects: [pack] };
    },
  },
];

function regionKind(
  name: string,
  region: (r: RepositoryInHand) => readonly [pack: string, start: number, end: number],
  isLost: boolean,
): DamageKind {
  return {
    name: `a bit flipped in ${name}`,
    apply: (r) => {
      const [pack, start, end] = region(r);
      r.flip(pack, start, end);
      return { objects: [pack], withoutKeys: [pack], ...(isLost ? { lost: allOf(pack) } : {}) };
    },
  };
}

const regionKinds: readonly DamageKind[] = [
  regionKind("the head of a pack", (r) => [r.pack("data").name, 0, HEAD_BYTES], true),
  regionKind("the salt of a pack", (r) => [r.pack("data").name, SALT_START, FRONT_START], true),
  regionKind(
    "the session id of a pack's envelope",
    (r) => [r.pack("data").name, FRONT_START, FRONT_START + 16],
    true,
  ),
  regionKind(
    "the session key in a pack's envelope",
    (r) => [r.pack("data").name, FRONT_START + 16, FRONT_START + 1248],
    true,
  ),
  regionKind(
    "the padding of a pack, behind its records",
    (r) => {
      const { name, paddingStart, directoryStart } = r.pack("data");
      return [name, paddingStart, directoryStart];
    },
    false,
  ),
  regionKind(
    "the directory of a pack that the index knows",
    (r) => {
      const { name, directoryStart, pack } = r.pack("data");
      return [name, directoryStart, pack.length - 24];
    },
    false,
  ),
  regionKind(
    "the sealed end of a pack that the index knows",
    (r) => {
      const { name, pack } = r.pack("data");
      return [name, pack.length - 24, pack.length];
    },
    false,
  ),
  {
    name: "another kind in the front of a pack",
    apply: (r) => {
      const { name } = r.pack("data");
      r.change(name, HEAD_BYTES, 0b11);
      return { objects: [name] };
    },
  },
  {
    name: "another version in the head of a pack",
    apply: (r) => {
      const { name } = r.pack("data");
      r.change(name, 5, 0b10);
      return { objects: [name], lost: allOf(name) };
    },
  },
];

function cut(
  name: string,
  choose: (r: RepositoryInHand) => readonly [pack: string, length: number],
  everySuite = false,
): DamageKind {
  return {
    name,
    everySuite,
    apply: (r) => {
      const [pack, length] = choose(r);
      r.write(pack, r.read(pack).subarray(0, length));
      const frontLength = r.model.packs.find((layout) => layout.name === pack)?.frontLength ?? 0;
      const lost = (record: Where): boolean =>
        record.pack === pack && (length < frontLength || record.offset + record.length > length);
      return { objects: [pack], lost };
    },
  };
}

const wholePackKinds: readonly DamageKind[] = [
  cut(
    "pack cut in the middle of its records",
    (r) => {
      const { name, frontLength, paddingStart } = r.pack("data");
      return [name, frontLength + r.random.below(paddingStart - frontLength)];
    },
    true,
  ),
  cut("pack cut in its front", (r) => {
    const { name, frontLength } = r.pack("data");
    return [name, r.random.below(frontLength)];
  }),
  cut("pack cut in its padding", (r) => {
    const { name, paddingStart, directoryStart } = r.pack("metadata");
    return [name, paddingStart + r.random.below(directoryStart - paddingStart)];
  }),
  cut("pack emptied", (r) => [r.pack("data").name, 0]),
  {
    name: "pack lengthened",
    apply: (r) => {
      const { name } = r.pack("data");
      r.write(name, Buffer.concat([r.read(name), r.random.bytes(5000)]));
      return { objects: [name] };
    },
  },
  {
    name: "pack overwritten with zeros",
    everySuite: true,
    apply: (r) => {
      const { name, pack } = r.pack("data");
      r.write(name, Buffer.alloc(pack.length));
      return { objects: [name], lost: allOf(name) };
    },
  },
  {
    name: "data pack removed",
    apply: (r) => {
      const { name } = r.pack("data");
      r.remove(name);
      return { objects: [name], lost: allOf(name) };
    },
  },
  {
    name: "metadata pack removed",
    apply: (r) => {
      const { name } = r.pack("metadata");
      r.remove(name);
      return { objects: [name], lost: allOf(name) };
    },
  },
  {
    name: "packs of two sessions exchanged under each other's names",
    everySuite: true,
    apply: (r) => exchanged(r, r.pack("data").name, r.pack("data", "other").name),
  },
  {
    name: "data and metadata pack of a session exchanged under each other's names",
    apply: (r) => exchanged(r, r.pack("data").name, r.pack("metadata").name),
  },
  {
    name: "pack of another repository added",
    apply: (r) => ({ objects: [r.add("packs", r.sample.foreign.packs)] }),
  },
  {
    name: "pack replaced by that of another repository",
    apply: (r) => {
      const { name } = r.pack("data");
      r.write(name, r.sample.foreign.packs);
      return { objects: [name], lost: allOf(name) };
    },
  },
  {
    name: "manifest of a forgotten copy put back after its packs were deleted",
    apply: (r) => {
      // What forgetting and cleaning leave: the manifest comes back from an old state of the storage.
      const packs = [r.pack("data", "other").name, r.pack("metadata", "other").name];
      for (const name of [...packs, r.object("index", "other")]) r.remove(name);
      const root = r.model.copies.find(({ id }) => id === r.sample.copies.other)?.root.id ?? "";
      return { objects: [`chunk ${root.slice(0, 16)}`], lost: allOf(...packs) };
    },
  },
];

function exchanged(r: RepositoryInHand, one: string, other: string): Expected {
  r.exchange(one, other);
  return { objects: [one, other].toSorted(), lost: allOf(one, other) };
}

/** Without keys nobody can write a directory: the name fits, what is inside does not, and the index knows only the old name. */
const keylessForgeries: readonly DamageKind[] = [
  {
    name: "two records exchanged inside a pack, its name made anew",
    everySuite: true,
    apply: (r) => {
      const { name, records } = r.pack("data");
      const [one, other] = twoOf(r, records);
      const bytes = r.read(name);
      const [a, b] = [slice(bytes, one), slice(bytes, other)];
      const length = Math.min(a.length, b.length);
      b.copy(bytes, one.offset, 0, length);
      a.copy(bytes, other.offset, 0, length);
      const renamed = r.replace(name, bytes);
      // No index names the pack by its new name, and the old one is missed; the other records are still found in it.
      return {
        objects: [name, renamed].toSorted(),
        withoutData: [name],
        lost: (record) => only(one)(record) || only(other)(record),
      };
    },
  },
  {
    name: "records of two packs exchanged, their names made anew",
    everySuite: true,
    apply: (r) => {
      const [one, other] = [r.pack("data"), r.pack("data", "other")];
      const [from, to] = [r.random.pick(one.records), r.random.pick(other.records)];
      const [bytes, others] = [r.read(one.name), r.read(other.name)];
      const length = Math.min(from.length, to.length);
      slice(bytes, from).copy(others, to.offset, 0, length);
      slice(r.read(other.name), to).copy(bytes, from.offset, 0, length);
      const renamed = [r.replace(one.name, bytes), r.replace(other.name, others)];
      return {
        objects: [one.name, other.name, ...renamed].toSorted(),
        withoutData: [one.name, other.name].toSorted(),
        lost: (record) => only(from)(record) || only(to)(record),
      };
    },
  },
  {
    name: "a record overwritten by its neighbour of the same pack, its name kept",
    apply: (r) => {
      const { name, records } = r.pack("data");
      const [one, other] = twoOf(r, records);
      const bytes = r.read(name);
      const source = slice(bytes, other);
      source.copy(bytes, one.offset, 0, Math.min(one.length, source.length));
      r.write(name, bytes);
      return { objects: [name], lost: only(one) };
    },
  },
];

function slice(bytes: Buffer, { offset, length }: Where): Buffer {
  return Buffer.from(bytes.subarray(offset, offset + length));
}

function twoOf(r: RepositoryInHand, records: readonly RecordLayout[]): readonly [RecordLayout, RecordLayout] {
  const one = r.random.pick(records);
  return [one, r.random.pick(records.filter((record) => record !== one))];
}

export const packKinds: readonly DamageKind[] = [
  ...regionKinds,
  ...recordKinds,
  ...wholePackKinds,
  ...keylessForgeries,
];
