/**
 * The agent: connects to the service, carries out what it gives out, and ends when it is told to.
 *
 * @module
 */
import process from "node:process";
import { AppError, type Clock, type Randomness, systemClock, systemRandomness } from "@holdfast/kernel";
import type { Disk } from "@holdfast/protocol";
import { removeLeftSnapshots } from "@holdfast/sources";
import type { AgentLog } from "./agent-log.ts";
import { Channel } from "./connection/channel.ts";
import { openConnection } from "./connection/connection.ts";
import { createUploader } from "./connection/upload.ts";
import { routeTo } from "./enrolment/enroll.ts";
import { type Identity, readIdentity } from "./identity/identity.ts";
import { keepRenewed } from "./identity/renewal.ts";
import { type AgentPlatform, currentPlatform, defaultStateDir } from "./platform/platform.ts";
import { executeRun } from "./runs/execute-run.ts";
import { RunTable } from "./runs/run-table.ts";
import { lockFolder } from "./state/folder-lock.ts";
import { openStateFolder, type StateFolder } from "./state/state-folder.ts";
import { removeStatus, writeStatus } from "./state/status-file.ts";
import { version } from "./version.ts";

export interface AgentOptions {
  /** Default: `defaultStateDir()`. */
  readonly stateDir?: string;
  /** Aborted to end the agent: it cancels its runs, tells the service, and is gone within seconds. */
  readonly signal: AbortSignal;
  readonly log: AgentLog;
  readonly platform?: AgentPlatform;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Service managers wait longer than both together before they kill. */
const STOP_RUNS_MS = 10_000;
const STOP_TELL_MS = 3000;
const STOP_LOOK_MS = 50;

/**
 * Runs until the signal is aborted.
 *
 * @throws AppError `ERR_AGENT_NOT_ENROLLED`, `ERR_AGENT_STATE`, `ERR_AGENT_RUNNING`, `ERR_USAGE` (proxy). A service that cannot
 * be reached is no error: the agent keeps trying.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { platform = currentPlatform(), signal } = options;
  const stateDir = options.stateDir ?? defaultStateDir(platform);
  const folder = await openStateFolder(stateDir, { create: true, hasModes: platform.module.hasModes });
  const identity = await readIdentity(folder);
  using _ = lockFolder(stateDir);
  await removeLeftSnapshots({ stateDir, onWarning: ({ message }) => options.log("warning", message) });
  const agent = new Agent({ ...options, platform, stateDir }, folder, identity);
  await agent.run(signal);
}

type Settled = AgentOptions & { readonly platform: AgentPlatform; readonly stateDir: string };

class Agent {
  readonly #options: Settled;
  readonly #folder: StateFolder;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #channel: Channel;
  readonly #runs: RunTable;
  #identity: Identity;
  /** As they were when the connection was made. */
  #disks: readonly Disk[] = [];
  #writing: Promise<void> = Promise.resolve();
  #isWritingDue = false;

  constructor(options: Settled, folder: StateFolder, identity: Identity) {
    const { clock = systemClock, randomness = systemRandomness, environment = process.env, log } = options;
    this.#options = options;
    this.#folder = folder;
    this.#identity = identity;
    this.#clock = clock;
    this.#startedMs = Math.trunc(clock.now());
    const route = routeTo(identity.service, identity.proxy, environment);
    const { device } = identity;
    this.#channel = new Channel(
      {
        clock,
        randomness,
        log,
        device,
        connect: async (events, signal) => {
          this.#disks = await options.platform.module.disks();
          return openConnection(route, this.#identity, events, signal);
        },
      },
      {
        hello: () => ({
          type: "hello",
          version: version(),
          platform: options.platform.description,
          methods: [...options.platform.module.methods],
          disks: [...this.#disks],
          runs: this.#runs.held(),
        }),
        onUp: () => {
          this.#runs.resend();
          this.#writeStatus();
        },
        onDown: () => this.#writeStatus(),
        onOrder: (order) => this.#runs.take(order),
        onBeat: (beat, askedMs) => this.#runs.takeBeat(beat, askedMs),
        onDrained: () => this.#runs.pump(),
      },
    );
    const { stateDir, platform } = options;
    const upload = createUploader(route, () => this.#identity);
    const ports = { clock, randomness, channel: this.#channel, device, platform, stateDir, upload };
    this.#runs = new RunTable({
      clock,
      log,
      send: (message) => this.#channel.send(message),
      bufferedBytes: () => this.#channel.bufferedBytes,
      execute: (run, task, abort, listeners) => executeRun(run, task, abort, ports, listeners),
      onChange: () => this.#writeStatus(),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    // The channel outlives the runs: it carries their last words.
    const ending = new AbortController();
    this.#writeStatus();
    const channel = this.#channel.run(ending.signal);
    const renewal = keepRenewed(
      {
        clock: this.#clock,
        log,
        channel: this.#channel,
        folder: this.#folder,
        identity: () => this.#identity,
        onRenewed: (identity) => {
          this.#identity = identity;
        },
      },
      ending.signal,
    );
    try {
      await Promise.race([channel, untilAborted(signal)]);
      log("info", "Ending.");
      await this.#stopRuns();
    } finally {
      ending.abort();
      await Promise.allSettled([channel, renewal]);
      await this.#writing;
      await removeStatus(this.#folder);
    }
    // A fault of the program ended it.
    await channel;
  }

  async #stopRuns(): Promise<void> {
    const reason = new AppError("ERR_AGENT_STOPPED", "The agent was ended while it carried this out.", {
      remedy: "Run the task again. What had been stored is used by the next run.",
    });
    await this.#runs.stop(reason, STOP_RUNS_MS);
    const until = this.#clock.monotonic() + STOP_TELL_MS;
    while (this.#channel.isUp && !this.#runs.isEmpty && this.#clock.monotonic() < until) {
      await this.#clock.sleep(STOP_LOOK_MS);
    }
  }

  /** One write at a time; what changes meanwhile is in the next one. */
  #writeStatus(): void {
    if (this.#isWritingDue) return;
    this.#isWritingDue = true;
    this.#writing = this.#writeAfter(this.#writing);
  }

  async #writeAfter(earlier: Promise<void>): Promise<void> {
    await earlier;
    this.#isWritingDue = false;
    const reason = this.#channel.lastError?.message;
    const status = {
      processId: process.pid,
      startedMs: this.#startedMs,
      connected: this.#channel.isUp,
      ...(reason === undefined ? {} : { reason }),
      runs: this.#runs
        .summaries()
        .map(({ plan, ...run }) => ({ ...run, ...(plan === undefined ? {} : { plan }) })),
    };
    // A full disk is no reason to end.
    await writeStatus(this.#folder, status).catch(() => undefined);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
