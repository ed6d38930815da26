/**
 * Objects of the sample: packs (docs/format.md section 4) and index segments (section 5).
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { le32 as u32, le64 as u64, sha256 } from "../decode.ts";
import { hkdf } from "../keys.ts";
import { ascii, concat, seal, sealFrame, sealGcm, u8 } from "./seal.ts";
import type { Draft } from "./tree.ts";

// Records and packs: section 4

export interface Space {
  readonly folder: string;
  readonly repository: Buffer;
  readonly suite: number;
  readonly idKey: Buffer;
  readonly tableKey: Buffer;
  readonly publicKey: Buffer;
  readonly session: Buffer;
  readonly sessionKey: Buffer;
  readonly envelope: Buffer;
}

export function writeObject(
  space: Space,
  kind: number,
  directory: string,
  ...parts: readonly Buffer[]
): string {
  const bytes = concat([headOf(space, kind), ...parts]);
  const name = sha256(bytes).toString("hex");
  const path = join(space.folder, directory, directory === "packs" ? name.slice(0, 2) : "", name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return name;
}

export function headOf({ repository }: Pick<Space, "repository">, kind: number): Buffer {
  return concat([ascii("HFST"), u8(kind, 1, 0, 0), repository]);
}

/** Frames of 4 KiB, every second one compressed. */
function recordOf(space: Space, draft: Draft, counter: bigint): Buffer {
  const { repository, suite, session, sessionKey, tableKey } = space;
  const { type, plaintext, id, refs } = draft;
  const frameSize = 4096;
  const count = Math.max(1, Math.ceil(plaintext.length / frameSize));
  const context = concat([ascii("holdfast/1/refs"), repository, id]);
  const box = refs.length === 0 ? Buffer.alloc(0) : seal(tableKey, context, concat([...refs]));
  const fixed = concat([
    u8(type, suite, count, 0),
    u32(plaintext.length),
    u32(frameSize),
    u32(box.length),
    u64(counter),
    session,
    id,
  ]);
  const frames = Array.from({ length: count }, (_, frame) => {
    const part = plaintext.subarray(frame * frameSize, (frame + 1) * frameSize);
    const compressed = frame % 2;
    const aad = concat([fixed, u32(frame), u8(frame === count - 1 ? 1 : 0, compressed)]);
    const payload = compressed === 1 ? zstdCompressSync(part) : part;
    return { compressed, sealed: sealFrame(suite, sessionKey, repository, { counter, frame, aad }, payload) };
  });
  const words = Array.from({ length: 8 }, (_, index) => {
    const frame = frames[index];
    return u32(frame === undefined ? 0 : frame.sealed.length + frame.compressed * 2 ** 31);
  });
  return concat([fixed, ...words, u64(0n), box, ...frames.map(({ sealed }) => sealed)]);
}

interface WrittenPack {
  readonly name: string;
  readonly length: number;
  readonly kind: number;
  readonly directory: readonly Buffer[];
}

export function writePack(
  space: Space,
  kind: number,
  drafts: readonly Draft[],
  firstCounter: bigint,
): WrittenPack {
  const { repository, tableKey, envelope } = space;
  const salt = randomBytes(32);
  const packKey = hkdf(tableKey, salt, concat([ascii("holdfast/1/pack"), repository]), 32);
  const front = concat([u8(kind, 1, 0, 0), u32(0), salt, envelope]);
  const parts: Buffer[] = [front];
  const directory: Buffer[] = [];
  let offset = 24 + front.length;
  for (const [index, draft] of drafts.entries()) {
    const open = recordOf(space, draft, firstCounter + BigInt(index));
    const nonce = concat([u64(BigInt(offset)), u32(0)]);
    const header = sealGcm(packKey, nonce, concat([ascii("header"), repository]), open.subarray(0, 112));
    parts.push(header, open.subarray(112));
    const length = open.length + 16;
    let inside = 0;
    for (const member of draft.members) {
      directory.push(
        concat([member.id, u32(offset), u32(length), u32(inside), u32(draft.type * 2 ** 24 + member.length)]),
      );
      inside += member.length;
    }
    offset += length;
  }
  const nonce = concat([u64(2n ** 64n - 1n), u32(0)]);
  const sealed = sealGcm(packKey, nonce, concat([ascii("directory"), repository]), concat(directory));
  const padding = 4096 - ((offset + sealed.length + 24) % 4096);
  const endNonce = concat([u64(2n ** 64n - 2n), u32(0)]);
  const end = concat([u32(sealed.length), ascii("HFPE")]);
  const sealedEnd = sealGcm(packKey, endNonce, concat([ascii("end"), repository]), end);
  const tail = [randomBytes(padding), sealed, sealedEnd];
  const name = writeObject(space, 3, "packs", ...parts, ...tail);
  return { name, length: offset + padding + sealed.length + 24, kind, directory };
}

// Index: section 5

export function writeIndex(
  space: Space,
  packs: readonly WrittenPack[],
  superseded: readonly string[],
): string {
  const salt = randomBytes(32);
  const entries = packs
    .flatMap(({ directory }, number) =>
      directory.map((entry) => concat([entry.subarray(0, 32), u32(number), entry.subarray(32)])),
    )
    .toSorted((a, b) => a.compare(b));
  const blocks = Math.ceil((entries.length * 10) / 512);
  const filter = Buffer.alloc(blocks * 64);
  for (const entry of entries) {
    const block = Math.floor((entry.readUInt32LE(16) * blocks) / 2 ** 32);
    const [a, b, c] = [entry.readUInt32LE(20), entry.readUInt32LE(24), entry.readUInt32LE(28)];
    for (const bit of [
      a & 511,
      (a >> 9) & 511,
      (a >> 18) & 511,
      b & 511,
      (b >> 9) & 511,
      (b >> 18) & 511,
      c & 511,
    ]) {
      const at = block * 64 + Math.floor(bit / 8);
      filter.writeUInt8(filter.readUInt8(at) | (1 << (bit % 8)), at);
    }
  }
  const names = packs.map(({ name, length, kind }) =>
    concat([Buffer.from(name, "hex"), u32(length), u8(kind, 0, 0, 0)]),
  );
  const fences = entries.filter((_, index) => index % 150 === 0).map((entry) => entry.subarray(0, 8));
  const key = hkdf(space.tableKey, salt, "holdfast/1/index/frames", 32);
  let number = 0n;
  const frames = [concat(entries), concat(names), filter, concat(fences)].flatMap((section) =>
    Array.from({ length: Math.ceil(section.length / 7800) }, (_, index) => {
      const nonce = concat([u64(number++), u32(0)]);
      return sealGcm(key, nonce, space.repository, section.subarray(index * 7800, (index + 1) * 7800));
    }),
  );
  const counts = [u64(BigInt(entries.length)), u32(packs.length), u32(blocks), u32(superseded.length)];
  const head = concat([...counts, ...superseded.map((name) => Buffer.from(name, "hex"))]);
  const box = seal(space.tableKey, concat([ascii("holdfast/1/index"), headOf(space, 4), salt]), head);
  return writeObject(space, 4, "index", salt, u32(box.length), box, ...frames);
}
