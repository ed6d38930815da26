import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { deferMajorCollections } from "../src/minor-collection.ts";

/** Keeps few of many objects, as a walk does, and tells how often all of the memory was looked through meanwhile. */
const KEEPS_FEW_OBJECTS = `
  const { parentPort } = require("node:worker_threads");
  const { GCProfiler } = require("node:v8");
  const profiler = new GCProfiler();
  profiler.start();
  const kept = [];
  let made = [];
  const makeMore = () => {
    for (let index = 0; index < 20_000; index += 1) made.push({ index, numbers: [index, index + 1, index + 2] });
    kept.push(...made.slice(0, 2_000));
    made = [];
    if (kept.length < 200_000) setImmediate(makeMore);
    else parentPort.postMessage(profiler.stop().statistics.filter(({ gcType }) => gcType === "MarkSweepCompact").length);
  };
  makeMore();
`;

async function majorCollections(): Promise<number> {
  let sum = 0;
  for (let thread = 0; thread < 3; thread += 1) {
    const worker = new Worker(KEEPS_FEW_OBJECTS, { eval: true });
    const [major]: readonly unknown[] = await once(worker, "message");
    await worker.terminate();
    sum += Number(major);
  }
  return sum;
}

suite("collections", () => {
  test("of all memory become rare in new threads", async () => {
    const before = await majorCollections();
    deferMajorCollections(192);
    const after = await majorCollections();
    assert.ok(after < before / 2, `${String(before)} before, ${String(after)} after`);
  });
});
