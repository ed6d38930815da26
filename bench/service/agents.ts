/** The thread of the simulated agents, as its starter sees it. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Schedule } from "@holdfast/scheduling";
import type { Device } from "./devices.ts";

/** When a plan starts first. */
export interface PlannedRun {
  readonly plan: string;
  readonly device: string;
  readonly schedule: Schedule;
  readonly at: number;
  readonly startAt: number;
}

export interface AgentsWork {
  readonly port: number;
  readonly authority: string;
  readonly devices: readonly Device[];
  readonly planned: readonly PlannedRun[];
}

export interface AgentsReport {
  connected: number;
  closed: number;
  refusals: number;
  beats: number;
  started: number;
  ended: number;
  /** From the planned start to the agent, of plans whose starts are spread. */
  readonly lagsMs: number[];
  /** The same of those that all start at one moment. */
  readonly burstLagsMs: number[];
  /** The same of those whose device was at work then, with another plan. */
  readonly waitedMs: number[];
  connectMs: number;
}

export interface Agents {
  readonly report: () => Promise<AgentsReport>;
  /** Tells them of more plans. */
  readonly plan: (planned: readonly PlannedRun[]) => void;
  readonly stop: () => Promise<void>;
}

/** Resolves when all are connected. */
export async function startAgents(work: AgentsWork): Promise<Agents> {
  const worker = new Worker(new URL("./agents-worker.ts", import.meta.url), { workerData: work });
  await once(worker, "message");
  return {
    report: async () => {
      const { promise, resolve } = Promise.withResolvers<AgentsReport>();
      worker.once("message", resolve);
      worker.postMessage("report", []);
      return promise;
    },
    plan: (planned) => worker.postMessage(planned, []),
    stop: async () => {
      await worker.terminate();
    },
  };
}
