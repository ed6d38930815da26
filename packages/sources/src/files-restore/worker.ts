/**
 * A thread of a restore: does what it is told, one task after the other. The tasks that wait are looked at before, so that a
 * remote storage sends what they need while this one is in work.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { toErrorRecord } from "@holdfast/kernel";
import { EntryRestorer } from "./entry-restorer.ts";
import type { Reply, Task, WorkerMessage } from "./messages.ts";

const port = parentPort;
assert(port !== null);

interface Waiting {
  readonly task: Task;
  readonly expected: Disposable;
}

let restorer: EntryRestorer | undefined;
const waiting: Waiting[] = [];
let closing = false;

port.on("message", (message: WorkerMessage) => {
  accept(message);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    acceptAll();
    run(next);
  }
  if (!closing) return;
  restorer?.close();
  port.close();
});

function acceptAll(): void {
  if (port === null) return;
  for (;;) {
    const received: { readonly message: WorkerMessage } | undefined = receiveMessageOnPort(port);
    if (received === undefined) return;
    accept(received.message);
  }
}

function accept(message: WorkerMessage): void {
  switch (message.kind) {
    case "setup":
      attempt(() => {
        restorer = new EntryRestorer(message.setup);
        return undefined;
      });
      return;
    case "close":
      closing = true;
      return;
    case "entries":
    case "range":
      attempt(() => {
        // Without a restorer the failure was told before.
        if (restorer !== undefined) waiting.push({ task: message, expected: restorer.expect(message) });
        return undefined;
      });
  }
}

function run({ task, expected }: Waiting): void {
  attempt(() => restorer?.run(task));
  expected[Symbol.dispose]();
}

function attempt(action: () => Reply | undefined): void {
  try {
    const message = action();
    if (message !== undefined) port?.postMessage(message);
  } catch (error) {
    port?.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies Reply);
  }
}
