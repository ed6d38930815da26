/**
 * The worker of the service's own machine: an agent like any other, in a process of its own, which the service enrolls itself.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { agentStatus, enroll } from "@holdfast/agent";
import { isAppError } from "@holdfast/kernel";
import type { RunningService } from "@holdfast/service";
import type { Output } from "./output/output.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
/** A worker that ends by itself is started again, not faster than this. */
const RESTART_MS = 5000;
const STOP_MS = 10_000;

/** Runs until `signal` is aborted; says what goes wrong, and throws nothing. */
export async function keepWorker(
  service: RunningService,
  stateDir: string,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await enrollOnce(service, stateDir);
      await runWorker(stateDir, signal);
      output.note("The service's own worker has ended.");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      output.warning({ message: `The service's own worker does not run: ${reason}` });
    }
    await sleep(RESTART_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function enrollOnce(service: RunningService, stateDir: string): Promise<void> {
  if (await isEnrolled(stateDir)) return;
  const code = await service.workerCode();
  const name = `${hostname()} (service)`;
  const { device } = await enroll({ stateDir, service: service.url, code, name });
  await service.adoptWorker(device);
}

async function isEnrolled(stateDir: string): Promise<boolean> {
  if (!existsSync(stateDir)) return false;
  try {
    await agentStatus(stateDir);
    return true;
  } catch (error) {
    if (isAppError(error, "ERR_AGENT_NOT_ENROLLED")) return false;
    throw error;
  }
}

async function runWorker(stateDir: string, signal: AbortSignal): Promise<void> {
  // No address, no name and no secret of the service in its environment.
  const { PATH = "", HOME = "", LANG = "", TZ } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, MAIN, "agent", "run", "--state", stateDir], {
    // The channel tells it when this process is gone, also by a kill: else it would run on, and be in the way of the next one's.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { PATH, HOME, LANG, ...(TZ === undefined ? {} : { TZ }) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.once("error", reject);
  const stop = (): void => stopChild(child);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function stopChild(child: ChildProcess): void {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.once("exit", () => clearTimeout(timer));
}
