/**
 * A worker thread of a backup: a complete pipeline from the directory to the sealed record, without waiting for anybody but
 * the disk and room in the packs.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { toErrorRecord } from "@holdfast/kernel";
import type { MainMessage, WorkerMessage } from "./messages.ts";
import { createTaskRunner } from "./task-runner.ts";
import type { WorkerSetup } from "./worker-setup.ts";

const port = parentPort;
if (port === null) throw new Error("this module is the start of a worker thread");

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- posted by worker-pool.ts
const setup = workerData as WorkerSetup;
const runner = createTaskRunner(setup, (message: WorkerMessage, transfer: readonly ArrayBuffer[]) => {
  port.postMessage(message, [...transfer]);
});

port.on("message", (message: MainMessage) => {
  try {
    runner(message);
    if (message.kind === "finish") port.close();
  } catch (error) {
    const failed: WorkerMessage = { kind: "failed", error: toErrorRecord(error) };
    port.postMessage(failed);
    port.close();
  }
});
