/**
 * A thread of a restore: does what it is told, one task after the other.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parentPort } from "node:worker_threads";
import { toErrorRecord } from "@holdfast/kernel";
import { EntryRestorer } from "./entry-restorer.ts";
import type { Reply, WorkerMessage } from "./messages.ts";

const port = parentPort;
assert(port !== null);

let restorer: EntryRestorer | undefined;

function attempt(action: () => Reply | undefined): void {
  try {
    const message = action();
    if (message !== undefined) port?.postMessage(message);
  } catch (error) {
    port?.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies Reply);
  }
}

port.on("message", (message: WorkerMessage) => {
  switch (message.kind) {
    case "setup":
      attempt(() => {
        restorer = new EntryRestorer(message.setup);
        return undefined;
      });
      return;
    case "close":
      restorer?.close();
      port.close();
      return;
    case "entries":
    case "range":
      // Without a restorer the failure was told before.
      attempt(() => restorer?.run(message));
  }
});
