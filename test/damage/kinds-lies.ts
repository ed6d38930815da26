/**
 * More lies of somebody who has the table key, and of somebody who is a writer: parts that are sealed well and do not fit each
 * other. Every one of them is what a single check is there for.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readChunk } from "../reader/repository.ts";
import { ascii, concat, seal } from "../reader/sample/seal.ts";
import { openBox } from "../reader/keys.ts";
import type { RecordLayout } from "./copy-model.ts";
import type { DamageKind, Expected } from "./damage-kind.ts";
import { addPack, forgeIndex, forgePack, type EditableRecord, type NamedPack } from "./forge.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

const PLAINTEXT_LENGTH = 4;
const REFS_LENGTH = 12;
const ID = 40;

const isChunk = ({ type }: RecordLayout): boolean => type === 1;
/** Fits a record of eight small frames. */
const isShort = (record: RecordLayout): boolean =>
  isChunk(record) && record.header.readUInt32LE(PLAINTEXT_LENGTH) < 30_000;

/** Changes a record of a pack of the first backup in a way that costs no file anything. */
function harmless(
  name: string,
  kind: "data" | "metadata",
  choose: (record: RecordLayout) => boolean,
  edit: (record: EditableRecord, r: RepositoryInHand) => void,
): DamageKind {
  return {
    name,
    apply: (r) => {
      const layout = r.pack(kind);
      const target = r.random.pick(layout.records.filter(choose));
      const forged = forgePack(r, layout, (records) => {
        const record = records[layout.records.indexOf(target)];
        assert(record !== undefined);
        edit(record, r);
        return records;
      });
      return { objects: [forged.name], withoutData: [] };
    },
  };
}

const fieldKinds: readonly DamageKind[] = [
  {
    name: "another kind in the front of a pack, its name made anew, and the index right",
    apply: (r) => {
      const layout = r.pack("data");
      r.change(layout.name, 24, 0b11);
      return { objects: [forgePack(r, layout, (records) => records).name], withoutData: [] };
    },
  },
  harmless("a chunk with another length in directory and index", "data", isChunk, ({ members }) => {
    const [member] = members;
    assert(member !== undefined);
    member.length -= 1;
  }),
  harmless("a chunk with a second id in directory and index", "data", isChunk, ({ members }, r) => {
    const [member] = members;
    assert(member !== undefined);
    members.push({ ...member, id: r.random.bytes(32) });
  }),
  harmless(
    "references of a page to something else than it has, sealed anew",
    "metadata",
    ({ type, refsLength }) => type === 4 && refsLength > 0,
    ({ header, body }, r) => {
      const length = header.readUInt32LE(REFS_LENGTH);
      const { repository, table } = r.keys;
      const context = concat([ascii("holdfast/1/refs"), repository, header.subarray(ID, ID + 32)]);
      const refs = openBox(table, context, body.subarray(0, length));
      r.random.bytes(32).copy(refs, refs.length - 32);
      seal(table, context, refs).copy(body);
    },
  ),
];

/** A chunk that is in a pack of a writer's own only; nobody can read it if `isLost`. */
function onlyIn(
  name: string,
  write: (r: RepositoryInHand, chunk: Buffer, id: Buffer) => NamedPack,
  isLost: boolean,
  everySuite = false,
): DamageKind {
  return {
    name,
    ...(everySuite ? { everySuite } : {}),
    apply: (r): Expected => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(isShort));
      const id = Buffer.from(target.ids[0] ?? "", "hex");
      const forged = write(r, readChunk(r.model.repository, id, [1]), id);
      forgeIndex(r, (packs) => [
        ...packs.map((pack) =>
          pack.name === layout.name
            ? { ...pack, directory: pack.directory.filter((row) => !row.subarray(0, 32).equals(id)) }
            : pack,
        ),
        forged,
      ]);
      // The index leaves out what the first pack has.
      const objects = [layout.name, forged.name].toSorted((one, other) => (one < other ? -1 : 1));
      const lost = ({ pack, offset }: Pick<RecordLayout, "pack" | "offset">): boolean =>
        isLost && pack === target.pack && offset === target.offset;
      return { objects, withoutData: [layout.name], lost };
    },
  };
}

const recordKinds: readonly DamageKind[] = [
  onlyIn(
    "a chunk only in a record that is not encrypted, or is though nothing else is",
    (r, chunk, id) => addPack(r, chunk, id, { suite: r.sample.suite.code === 0 ? 3 : 0 }),
    true,
    true,
  ),
  onlyIn(
    "a chunk only in a record whose header has another id",
    (r, chunk, id) => addPack(r, chunk, id, { headerId: r.random.bytes(32) }),
    true,
  ),
  onlyIn(
    "a chunk only in a record whose header calls it a list",
    (r, chunk, id) => addPack(r, chunk, id, { type: 3 }),
    true,
  ),
  onlyIn(
    "a chunk only in a record with another content, whose header has its id",
    (r, chunk, id) => addPack(r, r.random.bytes(chunk.length), id, {}),
    true,
  ),
  onlyIn(
    "a chunk only in a bundle that has another content in its place",
    (r, chunk, id) => addPack(r, r.random.bytes(chunk.length), id, { bundleOf: chunk.length }),
    true,
  ),
  onlyIn(
    "a chunk only in a bundle with bytes behind it that no member has",
    (r, chunk, id) => addPack(r, concat([chunk, Buffer.from("more")]), id, { bundleOf: chunk.length }),
    false,
  ),
];

export const liesKinds: readonly DamageKind[] = [...fieldKinds, ...recordKinds];
