/**
 * Index segments: docs/format.md section 5. This reader finds chunks by the directories of packs; it reads the index
 * only to see that it says the same.
 *
 * @module
 */
import { Cursor, FormatError, KINDS, readHead } from "./object.ts";
import { ascii, hkdf, type Keys, openBox, openGcm, u32, u64 } from "./keys.ts";
import { type Pack, type Place, readPlaceFields } from "./packs.ts";

const FRAME_LENGTH = 7800;
const ENTRY_LENGTH = 52;
const PACK_LENGTH = 40;
const BLOCK_LENGTH = 64;
const FENCE_LENGTH = 8;

export interface Segment {
  readonly subject: string;
  readonly superseded: readonly string[];
  readonly packs: readonly { readonly name: string; readonly length: number; readonly kind: number }[];
  readonly entries: readonly (Place & { readonly pack: number })[];
}

export function readSegment(bytes: Buffer, name: string, keys: Keys): Segment {
  const subject = `index/${name}`;
  const cursor = new Cursor(bytes, subject);
  readHead(cursor, KINDS.index, keys.repository);
  const salt = cursor.take(32);
  const front = bytes.subarray(0, cursor.at);
  const box = cursor.take(cursor.u32());
  const head = new Cursor(
    openBox(keys.table, Buffer.concat([ascii("holdfast/1/index"), front]), box, subject),
    `${subject}, head box`,
  );
  const [entryCount, packCount, blockCount] = [head.u64Number(), head.u32(), head.u32()];
  const superseded = Array.from({ length: head.u32() }, () => head.take(32).toString("hex"));
  head.end();

  // Frames are numbered through all four sections.
  const key = hkdf(keys.table, salt, "holdfast/1/index/frames", 32);
  let frame = 0n;
  const readSection = (length: number): Cursor => {
    if (length > cursor.left) cursor.refuse("a section is longer than the object");
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= FRAME_LENGTH, frame += 1n) {
      const sealed = cursor.take(Math.min(left, FRAME_LENGTH) + 16);
      parts.push(
        openGcm(
          key,
          Buffer.concat([u64(frame), u32(0)]),
          keys.repository,
          sealed,
          `${subject}, frame ${frame}`,
        ),
      );
    }
    return new Cursor(Buffer.concat(parts), subject);
  };
  const entrySection = readSection(entryCount * ENTRY_LENGTH);
  const packSection = readSection(packCount * PACK_LENGTH);
  const filter = readSection(blockCount * BLOCK_LENGTH);
  const fences = readSection(Math.ceil((entryCount * ENTRY_LENGTH) / FRAME_LENGTH) * FENCE_LENGTH);
  cursor.end();

  const entries = Array.from({ length: entryCount }, () => {
    const [id, pack] = [entrySection.take(32), entrySection.u32()];
    if (pack >= packCount) entrySection.refuse("unknown pack number");
    return { pack, ...readPlaceFields(entrySection, id) };
  });
  const packs = Array.from({ length: packCount }, () => {
    const pack = {
      name: packSection.take(32).toString("hex"),
      length: packSection.u32(),
      kind: packSection.u8(),
    };
    packSection.zero(3);
    return pack;
  });
  const segment = { subject, superseded, packs, entries };
  checkOrder(segment, fences);
  checkFilter(segment, filter, blockCount);
  return segment;
}

function checkOrder({ subject, entries }: Segment, fences: Cursor): void {
  entries.forEach(({ id, pack }, index) => {
    const before = entries[index - 1];
    const order = before === undefined ? -1 : Buffer.compare(before.id, id) || before.pack - pack;
    if (order > 0) throw new FormatError(subject, "entries out of order");
    if (index % (FRAME_LENGTH / ENTRY_LENGTH) === 0 && !fences.take(FENCE_LENGTH).equals(id.subarray(0, 8))) {
      throw new FormatError(subject, "a fence differs");
    }
  });
}

/** Every id of the segment must be found by the filter. */
function checkFilter({ subject, entries }: Segment, filter: Cursor, blockCount: number): void {
  const blocks = filter.take(filter.left);
  if (entries.length > 0 && blockCount === 0) throw new FormatError(subject, "entries but no filter");
  for (const { id } of entries) {
    const [x, a, b, c] = [id.readUInt32LE(16), id.readUInt32LE(20), id.readUInt32LE(24), id.readUInt32LE(28)];
    const start = Math.floor((x * blockCount) / 2 ** 32) * BLOCK_LENGTH;
    for (const bit of [a, a >>> 9, a >>> 18, b, b >>> 9, b >>> 18, c].map((word) => word & 511)) {
      if (((blocks[start + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) === 0) {
        throw new FormatError(subject, "the filter does not know an id");
      }
    }
  }
}

function describe(place: Place): string {
  const { id, recordOffset, recordLength, chunkOffset, type, length } = place;
  return [id.toString("hex"), recordOffset, recordLength, chunkOffset, type, length].join(" ");
}

/**
 * Compares what all segments that are not superseded say with the directories. Returns one line for every
 * contradiction. Packs that no segment names are allowed: an interrupted session leaves them.
 */
export function compareIndex(
  segments: ReadonlyMap<string, Segment>,
  packs: ReadonlyMap<string, Pack>,
): readonly string[] {
  const superseded = new Set([...segments.values()].flatMap((segment) => segment.superseded));
  const live = [...segments].filter(([name]) => !superseded.has(name)).map(([, segment]) => segment);
  const problems: string[] = [];
  const indexed = new Map<string, Set<string>>();
  for (const { subject, packs: named, entries } of live) {
    for (const { name, length, kind } of named) {
      const pack = packs.get(name);
      if (pack?.length !== length || pack.kind !== kind)
        problems.push(`${subject}: pack ${name} is missing or another`);
      indexed.set(name, indexed.get(name) ?? new Set());
    }
    for (const { pack, ...place } of entries) indexed.get(named[pack]?.name ?? "")?.add(describe(place));
  }
  for (const [name, described] of indexed) {
    const pack = packs.get(name);
    if (pack === undefined) continue;
    const own = new Set(pack.places.map(describe));
    if (own.size !== described.size || ![...own].every((place) => described.has(place)))
      problems.push(`index: contradicts the directory of pack ${name}`);
  }
  return problems;
}
