/** The thread of the checkpoints. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

const TIMEOUT_MS = 5000;

const database = new DatabaseSync(String(workerData), { timeout: TIMEOUT_MS });
const statement = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");

parentPort?.on("message", () => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage({ ...statement.get() });
});
