import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { findInTrees } from "../src/tree/find-in-trees.ts";
import { isWithin } from "../src/tree/order.ts";
import { keyOf } from "../src/tree/paths.ts";
import {
  anyModel,
  assembleTree,
  comparePaths,
  MemoryRecords,
  type Model,
  sampleFile,
  sectionsOfModel,
} from "./tree-samples.ts";

const anyShape = fc.record({
  perPage: fc.integer({ min: 1, max: 4 }),
  perNode: fc.integer({ min: 2, max: 4 }),
});
const anySearch = fc.record({
  under: fc.constantFrom(undefined, "a", "a/a", "0"),
  after: fc.constantFrom(undefined, "a", "a/a", "b", "zz"),
  limit: fc.integer({ min: 1, max: 6 }),
});

const bytes = (path: string | undefined): Buffer | undefined =>
  path === undefined ? undefined : Buffer.from(path, "latin1");

/** What the plainest search finds: by path, the trees that have it. */
function naive(
  models: readonly Model[],
  { under, after }: { readonly under: string | undefined; readonly after: string | undefined },
): [string, number[]][] {
  const paths = [...new Set(models.flatMap((model) => [...model.keys()]))].toSorted(comparePaths);
  return paths
    .filter((path) => {
      const directory = keyOf(Buffer.from(path, "latin1"))?.directory ?? Buffer.alloc(0);
      const isBelow = under === undefined || isWithin(directory, Buffer.from(under, "latin1"));
      return isBelow && (after === undefined || comparePaths(path, after) > 0);
    })
    .map((path) => [path, models.flatMap((model, tree) => (model.has(path) ? [tree] : []))]);
}

suite("a search in many trees", () => {
  test("finds, page by page, what the plainest search finds", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyModel, { minLength: 1, maxLength: 4 }),
        anyShape,
        anySearch,
        async (models, shape, search) => {
          const records = new MemoryRecords();
          const roots = models.map((model) =>
            assembleTree(records, sectionsOfModel(model), shape.perPage, shape.perNode),
          );
          const found: [string, number[]][] = [];
          let after = bytes(search.after);
          for (;;) {
            const { paths, hasMore, trees } = await findInTrees(records.read, roots, () => true, {
              under: bytes(search.under),
              after,
              limit: search.limit,
            });
            assert.equal(trees, models.length);
            assert(paths.length <= search.limit);
            found.push(
              ...paths.map(({ path, found: at }): [string, number[]] => [
                path.toString("latin1"),
                at.map(({ tree }) => tree),
              ]),
            );
            if (!hasMore) break;
            after = paths.at(-1)?.path;
          }
          assert.deepEqual(found, naive(models, search));
        },
      ),
    );
  });

  test("reads what trees have in common once", async () => {
    const records = new MemoryRecords();
    const model = new Map(
      Array.from({ length: 400 }, (_, number) => [`f${String(number)}`, sampleFile(`f${String(number)}`)]),
    );
    const changed = new Map(model).set("f7", sampleFile("f7", "changed"));
    const [one, other] = [model, changed].map((each) => assembleTree(records, sectionsOfModel(each), 4, 4));
    assert(one !== undefined && other !== undefined);
    const readIds: string[] = [];
    const read = (type: number, id: Buffer): Promise<Buffer> => {
      readIds.push(id.toString("hex"));
      return records.read(type, id);
    };
    const { paths } = await findInTrees(
      read,
      [one, one, other, one],
      (path) => (path.toString() === "f7" ? 1 : undefined),
      { limit: 10 },
    );
    assert.deepEqual(
      paths.map(({ found }) => found.map(({ tree }) => tree)),
      [[0, 1, 2, 3]],
    );
    assert.equal(new Set(readIds).size, readIds.length);
  });

  test("ends when the time is over, and says how far it came", async () => {
    const records = new MemoryRecords();
    const model = new Map(
      Array.from({ length: 40 }, (_, number) => [`f${String(number)}`, sampleFile(`f${String(number)}`)]),
    );
    const root = assembleTree(records, sectionsOfModel(model), 4, 4);
    const { trees, paths } = await findInTrees(records.read, [root, root], () => 1, {
      limit: 100,
      isOver: () => true,
    });
    assert.equal(trees, 0);
    assert(paths.length > 0 && paths.length < 40);
  });
});
