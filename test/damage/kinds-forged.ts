/**
 * Lies of somebody who has the table key and may write: every tag is right. Without it, that is anybody in a repository
 * that is not encrypted.
 *
 * @module
 */
import assert from "node:assert/strict";
import { le32 as u32 } from "../reader/decode.ts";
import type { RecordLayout } from "./copy-model.ts";
import type { DamageKind } from "./damage-kind.ts";
import { addIndex, type EditableRecord, firstPacks, forgeIndex, forgePack, type NamedPack } from "./forge.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

const SUITE = 1;
const FRAME_COUNT = 2;
const PLAINTEXT_LENGTH = 4;
const COUNTER = 16;
const ID = 40;
const FRAMES = 72;

type Where = Pick<RecordLayout, "pack" | "offset">;

const same = (one: Where, other: Where): boolean => one.pack === other.pack && one.offset === other.offset;

/** Forges a record of the data pack of the first backup; only the reading of data can tell. */
function recordForgery(
  name: string,
  choose: (record: RecordLayout) => boolean,
  edit: (record: EditableRecord, r: RepositoryInHand) => void,
  options: Pick<DamageKind, "encryptedOnly"> = {},
): DamageKind {
  return {
    name,
    everySuite: true,
    ...options,
    apply: (r) => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(choose));
      const forged = forgePack(r, layout, (records) => {
        const record = records[layout.records.indexOf(target)];
        assert(record !== undefined);
        edit(record, r);
        return records;
      });
      return { objects: [forged.name], withoutData: [], lost: (record) => same(record, target) };
    },
  };
}

const isChunk = ({ type }: RecordLayout): boolean => type === 1;
const isLong = ({ type, header }: RecordLayout): boolean => type === 1 && header.readUInt8(FRAME_COUNT) > 1;

const headerKinds: readonly DamageKind[] = [
  recordForgery("header of a record with the suite none", isChunk, ({ header }) => {
    header.writeUInt8(header.readUInt8(SUITE) === 0 ? 3 : 0, SUITE);
  }),
  recordForgery("header of a record with another suite", isChunk, ({ header }) => {
    header.writeUInt8(header.readUInt8(SUITE) === 3 ? 4 : 3, SUITE);
  }),
  recordForgery("header of a record with a suite that nobody knows", isChunk, ({ header }) => {
    header.writeUInt8(99, SUITE);
  }),
  recordForgery("header of a record with another counter", isChunk, ({ header }) => {
    header.writeBigUInt64LE(header.readBigUInt64LE(COUNTER) + 1n, COUNTER);
  }),
  recordForgery("header of a record with another id", isChunk, ({ header }, r) => {
    r.random.bytes(32).copy(header, ID);
  }),
  recordForgery("header of a record that says to be shorter", isChunk, ({ header }) => {
    header.writeUInt32LE(header.readUInt32LE(PLAINTEXT_LENGTH) - 1, PLAINTEXT_LENGTH);
  }),
  recordForgery("first two frames of a record exchanged", isLong, (record) => {
    const [one, other] = [record.header.readUInt32LE(FRAMES), record.header.readUInt32LE(FRAMES + 4)];
    const [a, b] = [one % 2 ** 31, other % 2 ** 31];
    const body = Buffer.from(record.body);
    body.subarray(a, a + b).copy(record.body, 0);
    body.subarray(0, a).copy(record.body, b);
    record.header.writeUInt32LE(other, FRAMES);
    record.header.writeUInt32LE(one, FRAMES + 4);
  }),
  recordForgery("last frame of a record left out", isLong, (record) => {
    const { header } = record;
    const count = header.readUInt8(FRAME_COUNT);
    const at = FRAMES + 4 * (count - 1);
    const last = header.readUInt32LE(at) % 2 ** 31;
    header.writeUInt32LE(0, at);
    header.writeUInt8(count - 1, FRAME_COUNT);
    header.writeUInt32LE(header.readUInt32LE(8) * (count - 1), PLAINTEXT_LENGTH);
    record.body = record.body.subarray(0, record.body.length - last);
  }),
];

const recordKinds: readonly DamageKind[] = [
  {
    name: "two records exchanged in a pack whose directory and index say the old ids",
    everySuite: true,
    apply: (r) => {
      const layout = r.pack("data");
      const chunks = layout.records.filter(isChunk);
      const one = r.random.pick(chunks);
      const other = r.random.pick(chunks.filter((record) => record !== one));
      const forged = forgePack(r, layout, (records) => {
        const [a, b] = [records[layout.records.indexOf(one)], records[layout.records.indexOf(other)]];
        assert(a !== undefined && b !== undefined);
        [a.header, b.header] = [b.header, a.header];
        [a.body, b.body] = [b.body, a.body];
        return records;
      });
      return {
        objects: [forged.name],
        withoutData: [],
        lost: (record) => same(record, one) || same(record, other),
      };
    },
  },
  {
    name: "a record of another session put in the place of one, its session in the front",
    everySuite: true,
    apply: (r) => {
      const [layout, foreign] = [r.pack("data"), r.pack("data", "other")];
      const target = r.random.pick(layout.records.filter(isChunk));
      const source = r.random.pick(foreign.records.filter(isChunk));
      const forged = forgePack(r, layout, (records) => {
        const record = records[layout.records.indexOf(target)];
        assert(record !== undefined);
        record.header = Buffer.from(source.header);
        const bytes = r.read(foreign.name).subarray(source.offset + 128, source.offset + source.length);
        record.body = Buffer.from(bytes);
        return records;
      });
      return { objects: [forged.name], withoutData: [], lost: (record) => same(record, target) };
    },
  },
  {
    name: "borders of the members of a bundle moved in directory and index",
    everySuite: true,
    apply: (r) => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(({ type, ids }) => type === 2 && ids.length > 2));
      const forged = forgePack(r, layout, (records) => {
        const record = records[layout.records.indexOf(target)];
        assert(record !== undefined);
        const [first, second] = record.members;
        assert(first !== undefined && second !== undefined);
        first.length -= 1;
        second.chunkOffset -= 1;
        second.length += 1;
        return records;
      });
      const moved = target.ids.slice(0, 2);
      return {
        objects: [forged.name],
        lost: (record) => same(record, target),
        lostIds: moved,
      };
    },
  },
  {
    name: "the members of a bundle exchanged in directory and index",
    everySuite: true,
    apply: (r) => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(({ type, ids }) => type === 2 && ids.length > 2));
      const forged = forgePack(r, layout, (records) => {
        const members = records[layout.records.indexOf(target)]?.members;
        const [first, second] = members ?? [];
        assert(first !== undefined && second !== undefined);
        [first.id, second.id] = [second.id, first.id];
        return records;
      });
      return {
        objects: [forged.name],
        ...(lengthsDiffer(layout.pack.places, target.ids) ? {} : { withoutData: [] }),
        lost: (record) => same(record, target),
        lostIds: target.ids.slice(0, 2),
      };
    },
  },
  {
    name: "the id of a chunk in directory and index changed",
    apply: (r) => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(isChunk));
      const forged = forgePack(r, layout, (records) => {
        const member = records[layout.records.indexOf(target)]?.members[0];
        assert(member !== undefined);
        member.id = r.random.bytes(32);
        return records;
      });
      const chunk = `chunk ${(target.ids[0] ?? "").slice(0, 16)}`;
      return {
        objects: [chunk, forged.name].toSorted(),
        withoutData: [chunk],
        lost: (record) => same(record, target),
      };
    },
  },
];

function lengthsDiffer(
  places: readonly { readonly id: Buffer; readonly length: number }[],
  ids: readonly string[],
): boolean {
  const [one, other] = ids.map((hex) => places.find(({ id }) => id.toString("hex") === hex)?.length);
  return one !== other;
}

/** The index says something else than the directories. */
function indexForgery(
  name: string,
  edit: (rows: Buffer[], at: number, r: RepositoryInHand) => void,
  expected: (pack: string, chunk: string) => readonly string[],
  isLost = true,
): DamageKind {
  return {
    name,
    apply: (r) => {
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(isChunk));
      forgeIndex(r, (packs) =>
        packs.map((pack): NamedPack => {
          if (pack.name !== layout.name) return pack;
          const rows = pack.directory.map((row) => Buffer.from(row));
          const at = rows.findIndex((row) => row.toString("hex", 0, 32) === target.ids[0]);
          edit(rows, at, r);
          return { ...pack, directory: rows };
        }),
      );
      const chunk = `chunk ${(target.ids[0] ?? "").slice(0, 16)}`;
      const lost = (record: Where): boolean => isLost && same(record, target);
      return { objects: expected(layout.name, chunk), lost };
    },
  };
}

const indexKinds: readonly DamageKind[] = [
  indexForgery(
    "entry of the index that points to another record",
    (rows, at, r) => {
      const [row, other] = [rows[at], r.random.pick(rows.filter((_, index) => index !== at))];
      assert(row !== undefined);
      other.copy(row, 32, 32, 40);
    },
    (pack) => [pack],
  ),
  indexForgery(
    "entry of the index that points beside the record",
    (rows, at) => {
      const row = rows[at];
      assert(row !== undefined);
      row.writeUInt32LE(row.readUInt32LE(32) + 1, 32);
    },
    (pack) => [pack],
  ),
  indexForgery(
    "entry of the index with another length of the chunk, which no reading of a whole record needs",
    (rows, at) => {
      const row = rows[at];
      assert(row !== undefined);
      row.writeUInt32LE(row.readUInt32LE(44) - 1, 44);
    },
    (pack) => [pack],
    false,
  ),
  indexForgery(
    "entry of the index left out",
    (rows, at) => {
      rows.splice(at, 1);
    },
    (pack, chunk) => [chunk, pack],
  ),
];

const harmlessKinds: readonly DamageKind[] = [
  {
    name: "a chunk with a wrong content and a place of its own beside the good one",
    everySuite: true,
    apply: (r) => {
      // What a writer who poisons chunks leaves: another pack whose record does not match the id.
      const layout = r.pack("data");
      const target = r.random.pick(layout.records.filter(isChunk));
      const good = r.read(layout.name);
      const packs = firstPacks(r);
      const forged = forgePack(r, layout, (records) => {
        const record = records[layout.records.indexOf(target)];
        assert(record !== undefined);
        record.header.writeBigUInt64LE(7n, COUNTER);
        return records;
      });
      r.write(layout.name, good);
      addIndex(r, packs, []);
      return { objects: [forged.name], withoutData: [] };
    },
  },
  {
    name: "an index segment that names a pack that never was",
    apply: (r) => {
      const name = `packs/00/00${r.random.bytes(31).toString("hex")}`;
      const row = Buffer.concat([r.random.bytes(32), u32(1312), u32(500), u32(0), u32(2 ** 24 + 300)]);
      addIndex(r, [{ name, length: 8192, kind: 1, directory: [row] }], []);
      return { objects: [name] };
    },
  },
  {
    name: "an index segment that supersedes all others and says the same",
    apply: (r) => {
      addIndex(r, firstPacks(r), [r.object("index")]);
      return { objects: [] };
    },
  },
];

export const forgedKinds: readonly DamageKind[] = [
  ...headerKinds,
  ...recordKinds,
  ...indexKinds,
  ...harmlessKinds,
];
