import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { assertError, eventsOf, newBench, summaryOf } from "./run-holdfast.ts";

test("The benchmark measures every suite, and leaves the storage as it was", async (context) => {
  const { ok, run, storage, path } = newBench(context);
  await ok(["init", storage]);
  const outcome = await ok(["benchmark", storage, "--json"]);
  const measurements = eventsOf(outcome, "measurement");
  const groups = Map.groupBy(measurements, ({ group }) => group);
  assert.equal(groups.get("cipher")?.length, 12);
  const expected = ["storage", "cipher", "hash", "chunker", "compression", "memory"];
  assert.deepEqual([...groups.keys()], expected);
  for (const { bytesPerSecond, name } of measurements) assert(Number(bytesPerSecond) > 0, String(name));
  const { cores, passphraseMs } = summaryOf(outcome);
  assert(Number(cores) >= 1 && Number(passphraseMs) > 0);
  const objects = readdirSync(storage, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  assert.deepEqual(objects.length, 2);
  assertError(await run(["benchmark", path("nowhere")]), 6, /nowhere/u);
});
