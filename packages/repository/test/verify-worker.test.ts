import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

test("a thread of a verification answers every check, also when it could not be set up", async () => {
  const worker = new Worker(new URL("../src/verify/worker.ts", import.meta.url));
  const kinds: unknown[] = [];
  worker.on("message", (reply: { readonly kind: unknown }) => kinds.push(reply.kind));
  const check = { kind: "check", name: "packs/a", object: "pack", slot: 0, length: 0 };
  for (const message of [{ kind: "setup", slots: undefined }, check, check, { kind: "close" }])
    worker.postMessage(message, []);
  await once(worker, "exit");
  assert.deepEqual(kinds, ["failed", "failed", "failed"]);
});
