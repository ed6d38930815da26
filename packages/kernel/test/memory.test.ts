import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { freeBytes, keepFreedMemory } from "../src/memory.ts";

suite("memory", () => {
  test("gives large buffers back at once", () => {
    const bytes = Buffer.alloc(1024 * 1024, 7);
    const view = bytes.subarray(10);
    freeBytes(bytes);
    assert.equal(bytes.length, 0);
    assert.equal(view.length, 0);
    const small = Buffer.alloc(1024 * 1024).subarray(0, 10);
    freeBytes(small);
    assert.equal(small.buffer.byteLength, 0, "what counts is the memory behind it");
    // A second time does nothing.
    freeBytes(bytes);
  });

  test("leaves small and shared memory alone", () => {
    const small = Buffer.from("some bytes of the pool");
    const shared = new Uint8Array(new SharedArrayBuffer(1024 * 1024));
    freeBytes(small);
    freeBytes(shared);
    assert.equal(small.toString(), "some bytes of the pool");
    assert.equal(shared.length, 1024 * 1024);
  });

  test("can be told to keep freed memory", () => {
    assert.doesNotThrow(keepFreedMemory);
  });
});
