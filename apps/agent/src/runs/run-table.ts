/**
 * The runs that this agent holds: given out by the service, carried out a few at a time, and kept until the service has stored
 * their ends. They go on while the channel is down.
 *
 * @module
 */
import { AppError, type Clock, isAppError, toErrorRecord } from "@holdfast/kernel";
import {
  type AgentMessage,
  type AgentTask,
  laneOf,
  type RunEvent,
  type RunProgress,
  RUNS_MAX,
  type ServiceMessage,
  TASK_LANES,
  type TaskLane,
  taskResults,
} from "@holdfast/protocol";
import { z } from "zod";
import type { AgentLog } from "../agent-log.ts";
import type { RunLeases } from "../lease/run-leases.ts";
import { failedEvent, logEvent, warningEvent } from "./event-text.ts";
import { EventOutbox } from "./event-outbox.ts";
import type { RunListeners } from "./execute-run.ts";

type Order = Extract<ServiceMessage, { type: "start" | "cancel" | "acknowledge" }>;
type Beat = Extract<ServiceMessage, { type: "beat" }>;
type HeldRuns = Extract<AgentMessage, { type: "hello" }>["runs"];

const PROGRESS_MS = 1000;
/** Of what waits to leave: more is taken from the outboxes when this has gone. */
const BUFFERED_BYTES_MAX = 1024 * 1024;

export interface RunTablePorts {
  readonly clock: Clock;
  readonly log: AgentLog;
  /** @returns false while the channel is down. */
  readonly send: (message: AgentMessage) => boolean;
  readonly bufferedBytes: () => number;
  readonly execute: (
    run: string,
    task: AgentTask,
    abort: AbortController,
    listeners: RunListeners,
  ) => Promise<unknown>;
  /** Something about the runs is not what it was. */
  readonly onChange: () => void;
}

interface Run {
  readonly id: string;
  readonly task: AgentTask;
  readonly outbox: EventOutbox;
  readonly abort: AbortController;
  state: "waiting" | "running" | "ended";
  leases: RunLeases | undefined;
  progressMs: number;
}

export interface RunSummary {
  readonly run: string;
  readonly kind: AgentTask["kind"];
  readonly plan: string | undefined;
  readonly state: Run["state"];
}

/** Told from a failure: this is what was asked for. */
class Cancelled extends AppError {
  constructor(reason: string) {
    super("ERR_CANCELLED", reason === "" ? "The run was cancelled." : reason);
  }
}

export class RunTable {
  readonly #ports: RunTablePorts;
  readonly #runs = new Map<string, Run>();
  readonly #working = new Set<Promise<void>>();
  #isStopping = false;

  constructor(ports: RunTablePorts) {
    this.#ports = ports;
  }

  /** For `hello`. */
  held(): HeldRuns {
    return [...this.#runs.values()].map(({ id, outbox }) => ({ run: id, nextEvent: outbox.nextEvent }));
  }

  summaries(): readonly RunSummary[] {
    return [...this.#runs.values()].map(({ id, task, state }) => ({
      run: id,
      kind: task.kind,
      plan: task.plan?.name,
      state,
    }));
  }

  take(order: Order): void {
    switch (order.type) {
      case "start":
        this.#start(order.run, order.task);
        return;
      case "cancel":
        this.#cancel(order.run, new Cancelled(order.reason));
        return;
      case "acknowledge":
        this.#acknowledge(order.run, order.number);
        return;
      default:
        order satisfies never;
    }
  }

  takeBeat(beat: Beat, askedMs: number): void {
    for (const { leases } of this.#runs.values()) leases?.take(beat, askedMs);
  }

  /** The channel is a new one: what is not acknowledged goes out again. */
  resend(): void {
    for (const { outbox } of this.#runs.values()) outbox.rewind();
    this.pump();
  }

  /** Sends events as long as what waits to leave is bounded. */
  pump(): void {
    for (const { id, outbox } of this.#runs.values()) {
      while (this.#ports.bufferedBytes() < BUFFERED_BYTES_MAX) {
        const next = outbox.next();
        if (next === undefined) break;
        if (this.#ports.send({ type: "event", run: id, ...next })) continue;
        outbox.rewind();
        return;
      }
    }
  }

  /** Ends every run, and waits for that at most so long. */
  async stop(reason: AppError, withinMs: number): Promise<void> {
    this.#isStopping = true;
    for (const { id } of this.#runs.values()) this.#cancel(id, reason);
    const timeout = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#working),
      this.#ports.clock.sleep(withinMs, timeout.signal).catch(() => undefined),
    ]);
    timeout.abort();
  }

  /** Whether the service has stored all that there was to say. */
  get isEmpty(): boolean {
    return this.#runs.size === 0;
  }

  #start(id: string, task: AgentTask): void {
    // Repeated until the first event is stored.
    if (this.#runs.has(id) || this.#isStopping) return;
    if (this.#runs.size >= RUNS_MAX) {
      this.#ports.log(
        "warning",
        `The run ${id} was not taken: this agent holds ${String(RUNS_MAX)} already.`,
      );
      return;
    }
    const [outbox, abort] = [new EventOutbox(), new AbortController()];
    this.#runs.set(id, {
      id,
      task,
      outbox,
      abort,
      state: "waiting",
      leases: undefined,
      progressMs: Number.NEGATIVE_INFINITY,
    });
    this.#runNext();
  }

  #runNext(): void {
    if (this.#isStopping) return;
    for (const run of this.#runs.values()) {
      if (run.state !== "waiting" || !this.#hasRoom(laneOf(run.task.kind))) continue;
      run.state = "running";
      const work = this.#work(run);
      this.#working.add(work);
      void work.finally(() => {
        this.#working.delete(work);
        this.#runNext();
      });
    }
    this.#ports.onChange();
  }

  #hasRoom(lane: TaskLane): boolean {
    const running = [...this.#runs.values()].filter(
      ({ state, task }) => state === "running" && laneOf(task.kind) === lane,
    );
    return TASK_LANES.some(({ name, runsMax }) => name === lane && running.length < runsMax);
  }

  async #work(run: Run): Promise<void> {
    const { id, task, abort } = run;
    const { log } = this.#ports;
    this.#add(run, { kind: "started" });
    log("info", `Started ${describe(run)}.`);
    try {
      const result = await this.#ports.execute(id, task, abort, this.#listenersOf(run));
      this.#end(run, { kind: "succeeded", result: z.json().parse(taskResults[task.kind].parse(result)) });
      log("info", `Done: ${describe(run)}.`);
    } catch (error) {
      if (error instanceof Cancelled) {
        this.#end(run, { kind: "cancelled" });
        log("info", `Cancelled: ${describe(run)}. ${error.message}`);
        return;
      }
      const record = toErrorRecord(error);
      this.#end(run, failedEvent(record));
      log("error", `Failed: ${describe(run)}. ${record.message}`);
      // A fault of the program: where it is does not concern the service.
      if (!isAppError(error) && error instanceof Error) log("error", error.stack ?? error.message);
    } finally {
      run.leases = undefined;
    }
  }

  #listenersOf(run: Run): RunListeners {
    return {
      warn: (warning) => this.#add(run, warningEvent(warning)),
      log: (level, text) => this.#add(run, logEvent(level, text)),
      progress: (progress) => this.#progress(run, progress),
      leases: (leases) => {
        run.leases = leases;
      },
    };
  }

  #progress(run: Run, progress: RunProgress): void {
    const now = this.#ports.clock.monotonic();
    if (now - run.progressMs < PROGRESS_MS || this.#ports.bufferedBytes() >= BUFFERED_BYTES_MAX) return;
    run.progressMs = now;
    this.#ports.send({ type: "progress", run: run.id, progress });
  }

  #cancel(id: string, reason: AppError): void {
    const run = this.#runs.get(id);
    if (run === undefined || run.state === "ended" || run.abort.signal.aborted) return;
    run.abort.abort(reason);
    if (run.state !== "waiting") return;
    // Nobody else ends it.
    this.#end(run, reason instanceof Cancelled ? { kind: "cancelled" } : failedEvent(toErrorRecord(reason)));
  }

  #acknowledge(id: string, number: number): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    if (!run.outbox.acknowledge(number)) {
      this.#ports.log("warning", `The service acknowledged an event of ${id} that there was not.`);
    }
    if (run.outbox.isDone && run.state === "ended") {
      this.#runs.delete(id);
      this.#ports.onChange();
    }
    this.pump();
  }

  #end(run: Run, event: RunEvent): void {
    run.state = "ended";
    this.#add(run, event);
    this.#ports.onChange();
  }

  #add(run: Run, event: RunEvent): void {
    run.outbox.add(event, this.#ports.clock.now());
    this.pump();
  }
}

function describe({ id, task }: Run): string {
  return task.plan === undefined
    ? `${task.kind} (${id})`
    : `${task.kind} of the plan "${task.plan.name}" (${id})`;
}
