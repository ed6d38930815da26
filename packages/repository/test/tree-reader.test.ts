import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import type { Entry } from "../src/tree/entry.ts";
import type { Section } from "../src/tree/page.ts";
import { keyOf } from "../src/tree/paths.ts";
import { readAhead } from "../src/tree/read-ahead.ts";
import { findEntries, listDirectory, lookup, walkSections, walkUnder } from "../src/tree/tree-reader.ts";
import {
  anyModel,
  assembleTree,
  comparePaths,
  MemoryRecords,
  type Model,
  sampleDirectory,
  sampleFile,
  sectionsOfModel,
  splitPath,
} from "./tree-samples.ts";

const anyShape = fc.record({
  perPage: fc.integer({ min: 1, max: 4 }),
  perNode: fc.integer({ min: 2, max: 4 }),
});

async function pathsOf(sections: AsyncIterable<Section>): Promise<string[]> {
  const paths: string[] = [];
  for await (const { directory, entries } of sections) {
    assert(entries.length > 0);
    const prefix = directory.length === 0 ? "" : `${directory.toString("latin1")}/`;
    for (const { name } of entries) paths.push(prefix + name.toString("latin1"));
  }
  return paths;
}

function sortedPaths(model: Model): string[] {
  return [...model.keys()].toSorted(comparePaths);
}

const bytes = (path: string): Buffer => Buffer.from(path, "latin1");

/** Paths of the model, and some that are not in it. */
const anyModelAndPath = anyModel.chain((model) =>
  fc.tuple(fc.constant(model), fc.constantFrom("a", "a/a", "0/ ", "-", "zz", "\u0001", ...model.keys())),
);

suite("tree reader, against a plain model", () => {
  test("walks everything in order", async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, anyShape, async (model, { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        assert.deepEqual(await pathsOf(walkSections(records.read, root)), sortedPaths(model));
      }),
    );
  });

  test("looks up what is there and what is not", async () => {
    await fc.assert(
      fc.asyncProperty(anyModelAndPath, anyShape, async ([model, path], { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        assert.deepEqual(await lookup(records.read, root, bytes(path)), model.get(path));
        for (const [each, entry] of model)
          assert.deepEqual(await lookup(records.read, root, bytes(each)), entry);
      }),
      { numRuns: 50 },
    );
  });

  test("walks from a key", async () => {
    await fc.assert(
      fc.asyncProperty(anyModelAndPath, anyShape, async ([model, path], { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        const walk = walkSections(records.read, root, { from: keyOf(bytes(path)) });
        const expected = sortedPaths(model).filter((other) => comparePaths(other, path) >= 0);
        assert.deepEqual(await pathsOf(walk), expected);
      }),
    );
  });

  test("walks under a directory, from a key or not", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyModelAndPath,
        fc.option(fc.nat()),
        anyShape,
        async ([model, path], place, shape) => {
          const records = new MemoryRecords();
          const root = assembleTree(records, sectionsOfModel(model), shape.perPage, shape.perNode);
          const below = sortedPaths(model).filter((other) => other.startsWith(`${path}/`));
          const from = place === null || below.length === 0 ? undefined : below[place % below.length];
          const walk = walkSections(records.read, root, {
            under: bytes(path),
            from: from === undefined ? undefined : keyOf(bytes(from)),
          });
          const expected = below.filter((other) => from === undefined || comparePaths(other, from) >= 0);
          assert.deepEqual(await pathsOf(walk), expected);
        },
      ),
    );
  });

  test("walks an entry with all below it", async () => {
    await fc.assert(
      fc.asyncProperty(anyModelAndPath, anyShape, async ([model, path], { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        const walk = pathsOf(walkUnder(records.read, root, bytes(path)));
        if (!model.has(path)) {
          await assert.rejects(walk, (error) => isAppError(error, "ERR_PATH_NOT_FOUND"));
          return;
        }
        const expected = sortedPaths(model).filter((other) => other === path || other.startsWith(`${path}/`));
        assert.deepEqual((await walk).toSorted(comparePaths), expected.toSorted(comparePaths));
        assert.deepEqual(await pathsOf(walkUnder(records.read, root, bytes(""))), sortedPaths(model));
      }),
    );
  });

  test("lists a directory", async () => {
    await fc.assert(
      fc.asyncProperty(anyModelAndPath, anyShape, async ([model, path], { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        const list = async (directory: string): Promise<string[]> => {
          const batches = await Array.fromAsync(listDirectory(records.read, root, bytes(directory)));
          return batches.flat().map(({ name }) => name.toString("latin1"));
        };
        const namesIn = (directory: string): string[] =>
          sortedPaths(model)
            .map(splitPath)
            .filter((split) => split.directory === directory)
            .map(({ name }) => name);
        assert.deepEqual(await list(""), namesIn(""));
        if (model.get(path)?.kind === "directory") assert.deepEqual(await list(path), namesIn(path));
        else await assert.rejects(list(path), (error) => isAppError(error, "ERR_PATH_NOT_FOUND"));
      }),
    );
  });

  test("finds what a matcher wants", async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, anyShape, async (model, { perPage, perNode }) => {
        const records = new MemoryRecords();
        const root = assembleTree(records, sectionsOfModel(model), perPage, perNode);
        const found = await Array.fromAsync(
          findEntries(records.read, root, (path, entry) => entry.kind === "file" && path.includes(0x61)),
        );
        const expected = sortedPaths(model).filter(
          (path) => model.get(path)?.kind === "file" && path.includes("a"),
        );
        assert.deepEqual(
          found.map(({ path }) => path.toString("latin1")),
          expected,
        );
        for (const { path, entry } of found) assert.deepEqual(entry, model.get(path.toString("latin1")));
      }),
    );
  });
});

suite("tree reader, what it reads", () => {
  const names = Array.from({ length: 100 }, (_, index) => String(index).padStart(3, "0"));
  const sections: Section[] = [
    { directory: Buffer.alloc(0), entries: names.map((name) => sampleDirectory(name)) },
    ...names.map((name) => ({
      directory: Buffer.from(name),
      entries: names.map((each): Entry => sampleFile(each)),
    })),
  ];
  const records = new MemoryRecords();
  const root = assembleTree(records, sections, 10, 10);
  const height = 4; // 1010 pages, 101 nodes, 11 nodes, 2 nodes, the root

  test("one page for a lookup", async () => {
    records.reads = 0;
    assert.equal((await lookup(records.read, root, Buffer.from("050/077")))?.name.toString(), "077");
    assert.equal(records.reads, height + 1);
  });

  test("the pages of a directory for its listing", async () => {
    records.reads = 0;
    const entries = (await Array.fromAsync(listDirectory(records.read, root, Buffer.from("050")))).flat();
    assert.equal(entries.length, 100);
    assert(records.reads <= 11 + 2 * height, `${String(records.reads)} reads`);
  });

  test("little more than asked for when the caller stops early", async () => {
    records.reads = 0;
    for await (const section of walkSections(records.read, root)) {
      assert(section.entries.length > 0);
      break;
    }
    assert(records.reads <= 12, `${String(records.reads)} reads`);
  });

  test("pages are read ahead of the work on them", async () => {
    let running = 0;
    let runningMost = 0;
    const slow = async (type: number, id: Buffer): Promise<Buffer> => {
      running += 1;
      runningMost = Math.max(runningMost, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return records.read(type, id);
    };
    assert.equal((await pathsOf(walkSections(slow, root))).length, 10_100);
    assert(runningMost > 1 && runningMost <= 6, `${String(runningMost)} at once`);
  });

  test("a failed read ahead is reported in its turn, or never", async () => {
    const refs = async function* (): AsyncGenerator<number> {
      for (let ref = 0; ref < 5; ref += 1) yield ref;
    };
    const read = async (ref: number): Promise<Buffer> => {
      if (ref === 2) throw new Error("lost");
      return Buffer.from([ref]);
    };
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const { ref } of readAhead(refs(), 3, read)) seen.push(ref);
    }, /lost/u);
    assert.deepEqual(seen, [0, 1]);
    for await (const { ref } of readAhead(refs(), 3, read)) if (ref === 1) break;
  });

  test("a cancelled walk ends with ERR_CANCELLED", async () => {
    const controller = new AbortController();
    await assert.rejects(
      async () => {
        for await (const section of walkSections(records.read, root, { signal: controller.signal })) {
          assert(section.entries.length > 0);
          controller.abort();
        }
      },
      (error) => isAppError(error, "ERR_CANCELLED"),
    );
  });
});
