/**
 * Parsers of metadata: pages, nodes, lists, entries (docs/format.md, sections 6 and 7). What they read was authenticated, but
 * its writer may have been hostile.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import { decodeEntry, encodeEntry, type Entry } from "@holdfast/repository";
import {
  decodeList,
  decodeNode,
  decodePage,
  encodeList,
  encodeNode,
  encodePage,
  type Section,
} from "@holdfast/repository/format-parts";
import { decode } from "../reader/decode.ts";
import { readList, readNode, readPage } from "../reader/tree.ts";
import type { FuzzedParser } from "./fuzzed-parser.ts";
import { random } from "./samples.ts";

const base = {
  mode: 0o644,
  uid: 1000,
  gid: 100_000,
  user: "user",
  group: "",
  mtimeSeconds: -1n,
  mtimeNanoseconds: 999_999_999,
  xattrs: [],
  link: undefined,
  changedWhileRead: false,
} as const;
const name = (text: string): Buffer => Buffer.from(text, "latin1");
const data = (length: number) => ({ kind: "data", length, id: random.bytes(32) }) as const;

const entries: readonly Entry[] = [
  { ...base, kind: "file", name: name("a"), size: 0, content: { form: "empty" } },
  { ...base, kind: "directory", name: name("b"), mode: 0o1777 },
  {
    ...base,
    kind: "file",
    name: name("c"),
    size: 5,
    content: { form: "inline", bytes: Buffer.from("hello") },
    xattrs: [
      { name: name("user.a"), value: Buffer.from("1") },
      { name: name("user.b"), value: Buffer.alloc(0) },
    ],
    link: { device: 2n ** 63n, inode: 7n },
  },
  {
    ...base,
    kind: "file",
    name: name("d"),
    size: 1_000_500,
    content: { form: "segments", segments: [data(300), { kind: "hole", length: 1_000_000 }, data(200)] },
    changedWhileRead: true,
  },
  {
    ...base,
    kind: "file",
    name: name("e"),
    size: 2 ** 45,
    content: { form: "list", depth: 2, id: random.bytes(32) },
  },
  { ...base, kind: "symlink", name: name("f\xff"), target: name("../target \xfe") },
  { ...base, kind: "fifo", name: name("g") },
  { ...base, kind: "socket", name: name("h") },
  { ...base, kind: "char", name: name("i"), major: 1, minor: 3 },
  { ...base, kind: "block", name: name("j"), major: 259, minor: 1_048_575 },
];

function encodeOne(entry: Entry): Buffer {
  const writer = new ByteWriter();
  encodeEntry(writer, entry);
  return writer.finish();
}

const sections: readonly Section[] = ["", "b", "b/x", "b/x/y", "b-"].map((directory) => ({
  directory: name(directory),
  entries,
}));

const child = (directory: string, first: string) => ({
  first: { directory: name(directory), name: name(first) },
  entries: 5,
  fileBytes: 2 ** 40,
  id: random.bytes(32),
});

const lists = [
  encodeList({ depth: 0, bytes: 500, segments: [data(300), { kind: "zero", length: 65_536 }, data(200)] }),
  encodeList({
    depth: 3,
    bytes: 300,
    children: [
      { bytes: 100, id: random.bytes(32) },
      { bytes: 200, id: random.bytes(32) },
    ],
  }),
];
const nodes = [
  encodeNode({ level: 1, children: [child("", "a"), child("", "b"), child("b/x", "c")] }),
  encodeNode({ level: 7, children: [child("b", "a")] }),
];
const pages = [encodePage(sections.slice(0, 2)), encodePage(sections), encodePage([])];

export const treeParsers: readonly FuzzedParser[] = [
  {
    name: "entry",
    samples: entries.map(encodeOne),
    decode: (bytes) => {
      const reader = new ByteReader(bytes, "An entry");
      const entry = decodeEntry(reader);
      reader.end();
      return entry;
    },
    encode: encodeOne,
  },
  {
    name: "page",
    samples: pages,
    decode: (bytes) => decodePage(new ByteReader(bytes, "A page")).sections,
    encode: encodePage,
  },
  {
    name: "node",
    samples: nodes,
    decode: (bytes) => decodeNode(new ByteReader(bytes, "A node")),
    encode: encodeNode,
  },
  {
    name: "list",
    samples: lists,
    decode: (bytes) => decodeList(new ByteReader(bytes, "A list")),
    encode: encodeList,
  },
];

/** The second reader, written from the document alone, reads the same structures. */
export const secondReaders: Record<string, (bytes: Buffer) => unknown> = {
  page: (bytes) => decode(bytes, readPage),
  node: (bytes) => decode(bytes, readNode),
  list: (bytes) => decode(bytes, readList),
};
