/** Trees whose records are well-formed one by one, but do not fit together: every reader ends, with ERR_DAMAGED. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteWriter } from "@holdfast/kernel";
import fc from "fast-check";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import { compareTrees } from "../src/tree/compare-trees.ts";
import { type Child, encodeChild, encodeNode } from "../src/tree/node.ts";
import { encodePage } from "../src/tree/page.ts";
import type { TreeRoot } from "../src/tree/tree-descent.ts";
import { listDirectory, lookup, walkSections } from "../src/tree/tree-reader.ts";
import {
  anyModel,
  assembleTree,
  childOf,
  isDamaged,
  MemoryRecords,
  nodeChild,
  sampleFile,
  sectionsOfModel,
} from "./tree-samples.ts";

const ROOT = Buffer.alloc(0);

function pageWith(records: MemoryRecords, ...names: readonly string[]): Child {
  return childOf(records, [{ directory: ROOT, entries: names.map((name) => sampleFile(name)) }]);
}

function rootOf(child: Child): TreeRoot {
  return { type: RECORD_TYPES.node, id: child.id };
}

/** A node as bytes, whatever it holds. */
function rawNode(level: number, children: readonly Child[]): Buffer {
  const writer = new ByteWriter().u8(level).varint(children.length);
  for (const child of children) encodeChild(writer, child);
  return writer.finish();
}

const TREES: Record<string, (records: MemoryRecords) => TreeRoot> = {
  "a node that holds itself": (records) => {
    const id = Buffer.alloc(32, 1);
    const below = { first: { directory: ROOT, name: Buffer.from("a") }, entries: 1, fileBytes: 5, id };
    records.put(RECORD_TYPES.node, encodeNode({ level: 2, children: [below] }), id);
    return { type: RECORD_TYPES.node, id };
  },
  "a child two levels down": (records) => {
    const low = nodeChild(records, 1, [pageWith(records, "a")]);
    return rootOf(nodeChild(records, 3, [low]));
  },
  "a page where a node should be": (records) => rootOf(nodeChild(records, 2, [pageWith(records, "a")])),
  "a page that is used twice": (records) => {
    const page = pageWith(records, "a");
    const again = { ...page, first: { directory: ROOT, name: Buffer.from("b") } };
    return rootOf(nodeChild(records, 1, [page, again]));
  },
  "an entry that stands on two pages": (records) =>
    rootOf(nodeChild(records, 1, [pageWith(records, "a", "b"), pageWith(records, "b")])),
  "a node that is one level off": (records) => {
    const low = nodeChild(records, 1, [pageWith(records, "a")]);
    const off = { ...low, id: records.put(RECORD_TYPES.node, rawNode(1, [low])) };
    return rootOf(nodeChild(records, 3, [off]));
  },
  "a page that reaches into the next one": (records) =>
    rootOf(nodeChild(records, 1, [pageWith(records, "a", "c"), pageWith(records, "b")])),
  "a page that reaches beyond its grandparent's next child": (records) => {
    const left = nodeChild(records, 1, [pageWith(records, "a"), pageWith(records, "b", "x")]);
    return rootOf(nodeChild(records, 2, [left, nodeChild(records, 1, [pageWith(records, "c")])]));
  },
  "a page that begins before its key": (records) => {
    const page = pageWith(records, "a", "b");
    return rootOf(nodeChild(records, 1, [{ ...page, first: { directory: ROOT, name: Buffer.from("b") } }]));
  },
  "a page that begins behind its key": (records) => {
    const page = pageWith(records, "b");
    return rootOf(nodeChild(records, 1, [{ ...page, first: { directory: ROOT, name: Buffer.from("a") } }]));
  },
  "a node that begins elsewhere": (records) => {
    const node = nodeChild(records, 1, [pageWith(records, "a")]);
    return rootOf(nodeChild(records, 2, [{ ...node, first: { directory: ROOT, name: Buffer.from("0") } }]));
  },
  "a wrong number of entries": (records) =>
    rootOf(nodeChild(records, 1, [{ ...pageWith(records, "a"), entries: 2 }])),
  "a wrong sum of sizes": (records) =>
    rootOf(nodeChild(records, 1, [{ ...pageWith(records, "a"), fileBytes: 6 }])),
  "a wrong number of entries in a node": (records) =>
    rootOf(nodeChild(records, 2, [{ ...nodeChild(records, 1, [pageWith(records, "a")]), entries: 9 }])),
  "an empty page below a node": (records) => {
    const id = records.put(RECORD_TYPES.page, encodePage([]));
    const name = Buffer.from("a");
    return rootOf(
      nodeChild(records, 1, [{ first: { directory: ROOT, name }, entries: 1, fileBytes: 0, id }]),
    );
  },
  "children out of order": (records) => {
    const id = records.put(RECORD_TYPES.node, rawNode(1, [pageWith(records, "b"), pageWith(records, "a")]));
    return { type: RECORD_TYPES.node, id };
  },
  "a chunk as root": (records) => ({ type: RECORD_TYPES.chunk, id: pageWith(records, "a").id }),
  "levels without end": (records) => {
    let node = nodeChild(records, 1, [pageWith(records, "a")]);
    for (let level = 2; level <= 255; level += 1) {
      node = { ...node, id: records.put(RECORD_TYPES.node, rawNode(level, [node])) };
    }
    return rootOf(node);
  },
  "a root that is missing": () => ({ type: RECORD_TYPES.page, id: Buffer.alloc(32, 9) }),
};

suite("hostile trees", () => {
  for (const [what, make] of Object.entries(TREES)) {
    test(`${what} is damaged`, async () => {
      const records = new MemoryRecords();
      const root = make(records);
      const good = assembleTree(records, [{ directory: ROOT, entries: [sampleFile("zzz")] }], 1, 2);
      await assert.rejects(Array.fromAsync(walkSections(records.read, root)), isDamaged);
      await assert.rejects(Array.fromAsync(compareTrees(records.read, root, good)), isDamaged);
      await assert.rejects(Array.fromAsync(compareTrees(records.read, good, root)), isDamaged);
      assert(records.reads < 100, `${String(records.reads)} reads`);
    });
  }

  test("any change of any record ends every reader, at the worst with ERR_DAMAGED", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyModel,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        async (model, which, at, byte) => {
          const records = new MemoryRecords();
          const root = assembleTree(records, sectionsOfModel(model), 2, 2);
          const ids = [...records.records.keys()];
          const record = records.records.get(ids[which % ids.length] ?? "");
          assert(record !== undefined);
          record.plaintext[at % record.plaintext.length] = byte;
          const bound = ids.length + 10;
          for (const work of [
            async () => Array.fromAsync(walkSections(records.read, root)),
            async () => Array.fromAsync(listDirectory(records.read, root, Buffer.from(""))),
            async () => lookup(records.read, root, Buffer.from("a/a")),
          ]) {
            records.reads = 0;
            try {
              await work();
            } catch (error) {
              assert(isDamaged(error), String(error));
            }
            assert(records.reads <= bound);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
