/**
 * Packs and index segments written anew by somebody who has the table key: their tags are right, what they say is not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { le32 as u32, le64 as u64 } from "../reader/decode.ts";
import { hmac } from "../reader/keys.ts";
import { type Space, writeIndex, writePack } from "../reader/sample/objects.ts";
import { ascii, kemSeal, sealGcm } from "../reader/sample/seal.ts";
import type { PackLayout, RecordLayout } from "./copy-model.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

const HEADER_BYTES = 112;
const SEALED_HEADER_BYTES = 128;
const PACK_MULTIPLE = 4096;

/** A line of a directory without the record's place. */
export interface Member {
  id: Buffer;
  chunkOffset: number;
  type: number;
  length: number;
}

export interface EditableRecord {
  /** The 112 bytes in clear. */
  header: Buffer;
  /** Refs box and frames. */
  body: Buffer;
  members: Member[];
}

/** A pack as a segment names it. */
export interface NamedPack {
  readonly name: string;
  readonly length: number;
  readonly kind: number;
  /** 48 bytes each. */
  readonly directory: readonly Buffer[];
}

export function editable(r: RepositoryInHand, record: RecordLayout, layout: PackLayout): EditableRecord {
  const bytes = r.read(record.pack).subarray(record.offset, record.offset + record.length);
  const places = layout.pack.places.filter(({ recordOffset }) => recordOffset === record.offset);
  return {
    header: Buffer.from(record.header),
    body: Buffer.from(bytes.subarray(SEALED_HEADER_BYTES)),
    members: places.map(({ id, chunkOffset, type, length }) => ({ id, chunkOffset, type, length })),
  };
}

/** Writes the pack with other records under its new name, and the index that knows it by it. */
export function forgePack(
  r: RepositoryInHand,
  layout: PackLayout,
  edit: (records: EditableRecord[]) => EditableRecord[],
): NamedPack {
  const records = edit(layout.records.map((record) => editable(r, record, layout)));
  const { bytes, directory } = sealPack(r, layout, records);
  const name = r.replace(layout.name, bytes);
  const forged = { name, length: bytes.length, kind: layout.pack.kind, directory };
  forgeIndex(r, (packs) => packs.map((pack) => (pack.name === layout.name ? forged : pack)));
  return forged;
}

function sealPack(
  r: RepositoryInHand,
  { name, frontLength, pack }: PackLayout,
  records: readonly EditableRecord[],
): { readonly bytes: Buffer; readonly directory: readonly Buffer[] } {
  const { repository } = r.keys;
  const parts = [r.read(name).subarray(0, frontLength)];
  const directory: Buffer[] = [];
  let offset = frontLength;
  for (const { header, body, members } of records) {
    assert(header.length === HEADER_BYTES);
    const nonce = Buffer.concat([u64(BigInt(offset)), u32(0)]);
    parts.push(sealGcm(pack.key, nonce, Buffer.concat([ascii("header"), repository]), header), body);
    const length = SEALED_HEADER_BYTES + body.length;
    for (const { id, chunkOffset, type, length: bytes } of members) {
      directory.push(
        Buffer.concat([id, u32(offset), u32(length), u32(chunkOffset), u32(type * 2 ** 24 + bytes)]),
      );
    }
    offset += length;
  }
  const nonce = Buffer.concat([u64(2n ** 64n - 1n), u32(0)]);
  const aad = Buffer.concat([ascii("directory"), repository]);
  const sealed = sealGcm(pack.key, nonce, aad, Buffer.concat(directory));
  const endNonce = Buffer.concat([u64(2n ** 64n - 2n), u32(0)]);
  const end = Buffer.concat([u32(sealed.length), ascii("HFPE")]);
  const sealedEnd = sealGcm(pack.key, endNonce, Buffer.concat([ascii("end"), repository]), end);
  const used = offset + sealed.length + sealedEnd.length;
  const padding = r.random.bytes((PACK_MULTIPLE - (used % PACK_MULTIPLE)) % PACK_MULTIPLE);
  return { bytes: Buffer.concat([...parts, padding, sealed, sealedEnd]), directory };
}

/** What the directories of the packs of the first backup say. */
function namedPacks(r: RepositoryInHand): NamedPack[] {
  return [r.pack("data"), r.pack("metadata")].map(({ name, pack, records }) => ({
    name,
    length: pack.length,
    kind: pack.kind,
    directory: records.flatMap(({ offset, length }) =>
      pack.places
        .filter(({ recordOffset }) => recordOffset === offset)
        .map((place) =>
          Buffer.concat([
            place.id,
            u32(offset),
            u32(length),
            u32(place.chunkOffset),
            u32(place.type * 2 ** 24 + place.length),
          ]),
        ),
    ),
  }));
}

/** Puts a segment that says something else in the place of the one that the first backup wrote. */
export function forgeIndex(r: RepositoryInHand, edit: (packs: NamedPack[]) => NamedPack[]): string {
  r.remove(r.object("index"));
  return addIndex(r, edit(namedPacks(r)), []);
}

/** One more segment. */
export function addIndex(
  r: RepositoryInHand,
  packs: readonly NamedPack[],
  superseded: readonly string[],
): string {
  const plain = packs.map(({ name, ...pack }) => ({ ...pack, name: name.slice(-64) }));
  return `index/${writeIndex(
    spaceOf(r),
    plain,
    superseded.map((name) => name.slice(-64)),
  )}`;
}

export function firstPacks(r: RepositoryInHand): NamedPack[] {
  return namedPacks(r);
}

/** What is not as a writer of this repository makes it. */
export interface PackLie {
  readonly suite?: number;
  readonly type?: number;
  readonly headerId?: Buffer;
  /** The record is a bundle of one chunk of so many bytes. */
  readonly bundleOf?: number;
}

/** One more pack, of one record that holds this chunk, by a session of the forger's own. */
export function addPack(r: RepositoryInHand, plaintext: Buffer, id: Buffer, lie: PackLie): NamedPack {
  const { suite = r.sample.suite.code, bundleOf: length = plaintext.length } = lie;
  const isBundle = lie.bundleOf !== undefined;
  const { type = isBundle ? 2 : 1, headerId = isBundle ? hmac(r.keys.id, Buffer.from([2]), id) : id } = lie;
  const draft = { type, plaintext, id: headerId, refs: [], members: [{ id, length }] };
  const { name, ...pack } = writePack({ ...spaceOf(r), suite }, 1, [draft], 0n);
  return { ...pack, name: `packs/${name.slice(0, 2)}/${name}` };
}

/** What the writers of the second reader's sample need to know. */
function spaceOf(r: RepositoryInHand): Space {
  const { repository, id, table, privateKey } = r.keys;
  const { folder, sample } = r;
  const { publicKey } = privateKey;
  const [session, sessionKey] = [r.random.bytes(16), r.random.bytes(32)];
  const context = Buffer.concat([ascii("holdfast/1/session"), repository, session]);
  const envelope = Buffer.concat([session, kemSeal(publicKey, context, sessionKey)]);
  const suite = sample.suite.code;
  return { folder, repository, suite, idKey: id, tableKey: table, publicKey, session, sessionKey, envelope };
}
