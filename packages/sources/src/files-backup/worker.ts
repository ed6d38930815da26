/**
 * A worker thread of a backup: a complete pipeline from the directory to the sealed record, without waiting for anybody but
 * the disk and room in the packs.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { toErrorRecord } from "@holdfast/kernel";
import type { MainMessage, WorkerMessage } from "./messages.ts";
import { createTaskRunner } from "./task-runner.ts";
import type { WorkerSetup } from "./worker-setup.ts";

const port = parentPort;
if (port === null) throw new Error("this module is the start of a worker thread");

let runner: ReturnType<typeof createTaskRunner> | undefined;

async function receive(message: MainMessage | WorkerSetup): Promise<void> {
  if ("kind" in message) await runner?.(message);
  else {
    runner = createTaskRunner(message, (answer: WorkerMessage, transfer: readonly ArrayBuffer[]) => {
      port?.postMessage(answer, [...transfer]);
    });
  }
}

port.on("message", (message: MainMessage | WorkerSetup) => {
  receive(message)
    .then(() => {
      if ("kind" in message && message.kind === "finish") port.close();
      return undefined;
    })
    .catch((error: unknown) => {
      const failed: WorkerMessage = { kind: "failed", error: toErrorRecord(error) };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      port.postMessage(failed);
      port.close();
    });
});
