import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { newId, ULID_PATTERN } from "../src/index.ts";

suite("an id", () => {
  test("begins with its kind, and holds time and randomness in base 32", () => {
    const id = newId("plan", { now: () => 1_469_918_176_385 }, (bytes) => bytes.fill(33));
    // The time is the example of the ULID specification.
    assert.equal(id, "plan_01aryz6s411111111111111111");
    assert.match(id, new RegExp(`^plan_${ULID_PATTERN}$`, "u"));
  });

  test("sorts by time of birth", () => {
    const at = (time: number): string => newId("run", { now: () => time });
    const ids = [1, 31, 32, 1024, 1_700_000_000_000, 1_700_000_000_001].map((time) => at(time));
    assert.deepEqual(ids.toSorted(), ids);
  });

  test("is another one each time", () => {
    assert.equal(new Set(Array.from({ length: 1000 }, () => newId("x"))).size, 1000);
  });
});
