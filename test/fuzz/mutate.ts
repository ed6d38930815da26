/**
 * Damage to bytes: what disks, attackers and wrong programs do to a structure.
 *
 * @module
 */
import { ByteWriter } from "@holdfast/kernel";
import type { SeededRandom } from "../seeded-random.ts";

type Mutation = (bytes: Buffer, random: SeededRandom, samples: readonly Buffer[]) => Buffer;

/** Random bytes of any structure: beyond this they only repeat themselves. */
const RANDOM_BYTES_MAX = 3000;
const INSERTED_BYTES_MAX = 300;

const NUMBERS = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn];
const LONG_NUMBERS = [...NUMBERS, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** Some bytes after the other: none of them is changed in place. */
function replaced(bytes: Buffer, at: number, removed: number, inserted: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

/** A place in the bytes; the first and the last hundred, where lengths and tags are, come up most. */
function place(bytes: Buffer, random: SeededRandom): number {
  const near = Math.min(100, bytes.length);
  switch (random.below(3)) {
    case 0:
      return random.below(near);
    case 1:
      return bytes.length - near + random.below(near);
    default:
      return random.below(bytes.length);
  }
}

function flipBits(bytes: Buffer, random: SeededRandom): Buffer {
  const flipped = Buffer.from(bytes);
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const at = place(bytes, random);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
  }
  return flipped;
}

function setByte(bytes: Buffer, random: SeededRandom): Buffer {
  const value = random.pick([0, 1, 2, 0x2e, 0x2f, 0x7f, 0x80, 0xfe, 0xff, random.below(256)]);
  return replaced(bytes, place(bytes, random), 1, Buffer.of(value));
}

function truncate(bytes: Buffer, random: SeededRandom): Buffer {
  return bytes.subarray(0, random.below(2) === 0 ? random.below(bytes.length) : place(bytes, random));
}

function extend(bytes: Buffer, random: SeededRandom): Buffer {
  const extra = random.bytes(1 + random.below(INSERTED_BYTES_MAX));
  return Buffer.concat([bytes, random.below(2) === 0 ? extra : extra.fill(0)]);
}

function splice(bytes: Buffer, random: SeededRandom, samples: readonly Buffer[]): Buffer {
  const other = random.pick(samples);
  const at = random.below(bytes.length);
  const from = random.below(2) === 0 ? at : random.below(other.length);
  return Buffer.concat([bytes.subarray(0, at), other.subarray(Math.min(from, other.length))]);
}

/** A length or count with an extreme value, as a number of fixed width or as a varint. */
function setNumber(bytes: Buffer, random: SeededRandom): Buffer {
  const at = place(bytes, random);
  const near = BigInt(random.pick([bytes.length, bytes.length - at, bytes.length + 1]));
  const width = random.pick([2, 4, 8]);
  if (random.below(3) === 0) {
    const value = Number(random.pick([...LONG_NUMBERS.slice(0, 10), near]));
    return replaced(bytes, at, 1 + random.below(2), new ByteWriter().varint(value).finish());
  }
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(random.pick([...LONG_NUMBERS, near]));
  return replaced(bytes, at, width, field.subarray(0, width));
}

function cutOut(bytes: Buffer, random: SeededRandom): Buffer {
  const at = place(bytes, random);
  return replaced(bytes, at, 1 + random.below(Math.min(200, bytes.length - at)), Buffer.alloc(0));
}

function insert(bytes: Buffer, random: SeededRandom): Buffer {
  return replaced(bytes, place(bytes, random), 0, random.bytes(1 + random.below(40)));
}

/** A stretch of the structure a second time, elsewhere: lists with repeated members, fields of others. */
function repeat(bytes: Buffer, random: SeededRandom): Buffer {
  const from = random.below(bytes.length);
  const length = 1 + random.below(Math.min(120, bytes.length - from));
  const stretch = bytes.subarray(from, from + length);
  return replaced(bytes, place(bytes, random), random.below(2) * length, stretch);
}

function invent(_bytes: Buffer, random: SeededRandom): Buffer {
  return random.bytes(random.below(RANDOM_BYTES_MAX));
}

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  flipBits,
  setByte,
  setByte,
  truncate,
  extend,
  splice,
  setNumber,
  setNumber,
  setNumber,
  cutOut,
  insert,
  repeat,
  invent,
];

/** One sample with one to three changes. */
export function mutate(samples: readonly Buffer[], random: SeededRandom): Buffer {
  let bytes = Buffer.from(random.pick(samples));
  const changes = random.below(4) === 0 ? 3 : 1;
  for (let change = 0; change < changes; change += 1) {
    bytes = Buffer.from(random.pick(MUTATIONS)(bytes, random, samples));
  }
  return bytes;
}
