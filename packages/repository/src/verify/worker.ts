/**
 * A thread of a verification: checks the object in the slot that it is told, one after the other.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parentPort } from "node:worker_threads";
import { toErrorRecord } from "@holdfast/kernel";
import { ObjectChecker } from "./object-checker.ts";
import type { VerifyMessage, VerifyReply } from "./messages.ts";

const port = parentPort;
assert(port !== null);

let checker: ObjectChecker | undefined;

function attempt(action: () => VerifyReply | undefined): void {
  try {
    const reply = action();
    if (reply !== undefined) port?.postMessage(reply);
  } catch (error) {
    port?.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies VerifyReply);
  }
}

port.on("message", (message: VerifyMessage) => {
  switch (message.kind) {
    case "setup":
      attempt(() => {
        checker = new ObjectChecker(message);
        return undefined;
      });
      return;
    case "check":
      attempt(() => {
        // Every check is answered, also where the setup has failed: somebody waits for it.
        assert(checker !== undefined, "The thread could not be set up.");
        return checker.check(message);
      });
      return;
    case "close":
      checker?.close();
      port.close();
  }
});
