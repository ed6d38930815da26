/**
 * The content and the tree of the sample: docs/format.md sections 6 and 7, one of everything.
 *
 * @module
 */
import { le32 as u32, le64 as u64 } from "../decode.ts";
import { hmac } from "../keys.ts";
import { blob, concat, u8, varint } from "./seal.ts";

/** A record before it is sealed. */
export interface Draft {
  readonly type: number;
  readonly plaintext: Buffer;
  readonly id: Buffer;
  readonly refs: readonly Buffer[];
  readonly members: readonly { readonly id: Buffer; readonly length: number }[];
}

const data = (id: Buffer, length: number): Buffer => concat([varint(length * 4), id]);
const hole = (length: number): Buffer => varint(length * 4 + 1);
const zeros = (length: number): Buffer => varint(length * 4 + 2);
const form2 = (size: number, ...segments: readonly Buffer[]): Buffer =>
  concat([varint(size), u8(2), varint(segments.length), ...segments]);

export const SAMPLE_MTIME_NS = -1_500_000_000n;

function entryOf(
  kind: number,
  name: Buffer | string,
  rest: Buffer,
  extra?: { flags: number; fields: Buffer },
): Buffer {
  const seconds = Buffer.alloc(8);
  seconds.writeBigInt64LE(-2n);
  const described = [
    varint(kind === 2 ? 0o750 : 0o640),
    varint(1000),
    varint(100_000),
    blob("user"),
    blob("group"),
  ];
  const time = [seconds, u32(500_000_000), u8(extra?.flags ?? 0), extra?.fields ?? Buffer.alloc(0)];
  return concat([u8(kind), blob(name), ...described, ...time, rest]);
}

export interface PageDraft {
  readonly page: Draft;
  readonly key: Buffer;
  readonly entries: number;
  readonly fileBytes: number;
}

const SMALL = ["small one", "small two"].map((text) => Buffer.from(text));
const LONG = [20_000, 9_000, 4_096].map((length, index) => Buffer.alloc(length, `chunk ${index} `));
/** Contents by path, as a restore must give them back. */
export const SAMPLE_CONTENTS: ReadonlyMap<string, Buffer> = new Map([
  ["empty", Buffer.alloc(0)],
  ["inline", Buffer.from("inline")],
  ["dir/small one", SMALL[0] ?? Buffer.alloc(0)],
  ["dir/sub/small two", SMALL[1] ?? Buffer.alloc(0)],
  ["long", concat(LONG)],
  ["sparse", concat([LONG[1] ?? Buffer.alloc(0), Buffer.alloc(1_000_000), Buffer.alloc(65_536)])],
]);

export function draftContent(idKey: Buffer) {
  const draft = (type: number, plaintext: Buffer, refs: readonly Buffer[]): Draft => {
    const id = hmac(idKey, u8(type), plaintext);
    return { type, plaintext, id, refs, members: [{ id, length: plaintext.length }] };
  };
  const chunks = LONG.map((bytes) => draft(1, bytes, []));
  const members = SMALL.map((bytes) => ({ id: hmac(idKey, u8(1), bytes), length: bytes.length }));
  const bundleId = hmac(idKey, u8(2), ...members.map(({ id }) => id));
  const bundle: Draft = { type: 2, plaintext: concat(SMALL), id: bundleId, refs: [], members };
  const listOf = (...parts: readonly Draft[]): Draft => {
    const segments = parts.map(({ id, plaintext }) => data(id, plaintext.length));
    return draft(
      3,
      concat([u8(0), varint(parts.length), ...segments]),
      parts.map(({ id }) => id),
    );
  };
  const [first, second, third] = chunks;
  if (first === undefined || second === undefined || third === undefined)
    throw new Error("three chunks wanted");
  const below = [
    { list: listOf(first, second), length: 29_000 },
    { list: listOf(third), length: 4_096 },
  ];
  const children = below.map(({ list, length }) => concat([varint(length), list.id]));
  const top = draft(
    3,
    concat([u8(1), varint(2), ...children]),
    below.map(({ list }) => list.id),
  );
  return {
    draft,
    drafts: [first, second, third, bundle],
    lists: [...below.map(({ list }) => list), top],
    top,
    second,
    members,
  };
}

export function draftTree(content: ReturnType<typeof draftContent>) {
  const { draft, top, second, members } = content;
  const [one, two] = members;
  if (one === undefined || two === undefined) throw new Error("two members wanted");
  const inode = { flags: 2, fields: concat([u64(1n), u64(7n)]) };
  const attributes = {
    flags: 5,
    fields: concat([varint(2), blob("user.a"), blob("1"), blob("user.b"), blob("")]),
  };
  const inline = concat([varint(6), u8(1), blob("inline")]);
  const section = (path: string, ...entries: readonly Buffer[]): Buffer =>
    concat([blob(path), varint(entries.length), ...entries]);
  const pageOf = (
    path: string,
    name: string,
    entries: number,
    fileBytes: number,
    refs: readonly Buffer[],
    ...sections: readonly Buffer[]
  ): PageDraft => ({
    page: draft(4, concat([varint(sections.length), ...sections]), refs),
    key: concat([blob(path), blob(name)]),
    entries,
    fileBytes,
  });
  const nothing = Buffer.alloc(0);
  const pages = [
    pageOf(
      "",
      "device",
      5,
      6,
      [],
      section(
        "",
        entryOf(6, "device", concat([varint(1), varint(3)])),
        entryOf(2, "dir", nothing),
        entryOf(2, "dir.x", nothing),
        entryOf(1, "empty", concat([varint(0), u8(0)])),
        entryOf(1, "inline", inline, inode),
      ),
    ),
    pageOf(
      "",
      "long",
      6,
      1_107_641,
      [top.id, second.id, one.id],
      section(
        "",
        entryOf(1, "long", concat([varint(33_096), u8(3), u8(1), top.id]), attributes),
        entryOf(4, "pipe", nothing),
        entryOf(1, "sparse", form2(1_074_536, data(second.id, 9_000), hole(1_000_000), zeros(65_536))),
        entryOf(3, Buffer.from([0xff, 0xfe]), blob("dir/again")),
      ),
      section("dir", entryOf(1, "small one", form2(9, data(one.id, 9))), entryOf(2, "sub", nothing)),
    ),
    pageOf(
      "dir/sub",
      "small two",
      2,
      15,
      [two.id],
      section("dir/sub", entryOf(1, "small two", form2(9, data(two.id, 9)))),
      section("dir.x", entryOf(1, "again", inline, inode)),
    ),
  ];
  const nodeOf = (level: number, children: readonly PageDraft[]): PageDraft => {
    const lines = children.map(({ page, key, entries, fileBytes }) =>
      concat([key, varint(entries), varint(fileBytes), page.id]),
    );
    return {
      page: draft(
        5,
        concat([u8(level), varint(lines.length), ...lines]),
        children.map(({ page }) => page.id),
      ),
      key: children[0]?.key ?? Buffer.alloc(0),
      entries: children.reduce((sum, { entries }) => sum + entries, 0),
      fileBytes: children.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    };
  };
  const nodes = [nodeOf(1, pages.slice(0, 2)), nodeOf(1, pages.slice(2))];
  const root = nodeOf(2, nodes);
  return { drafts: [...pages, ...nodes, root].map(({ page }) => page), root };
}
