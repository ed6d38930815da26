/** Errors as both sides tell them to each other. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { errorRecord } from "../src/index.ts";

suite("An error on the wire", () => {
  test("has one of the codes that there are, and nothing that every object has", () => {
    const isTaken = (code: string): boolean => errorRecord.safeParse({ code, message: "No." }).success;
    assert.ok(isTaken("ERR_FAILED"));
    for (const code of ["ERR_NONE", "toString", "constructor", "__proto__"]) assert.ok(!isTaken(code), code);
  });
});
