/**
 * Carries out one run: what it needs is taken when it starts and gone when it ends, however it ends.
 *
 * @module
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { suiteByCode } from "@holdfast/crypto";
import {
  AppError,
  type Clock,
  collectAll,
  type Randomness,
  systemRandomness,
  toErrorRecord,
} from "@holdfast/kernel";
import type { AgentTask, RunProgress, StorageRef, TaskKind, TaskOf } from "@holdfast/protocol";
import { endedProcesses, ownProcess, type SnapshotSystem } from "@holdfast/sources";
import { openStorage, type Storage } from "@holdfast/storage";
import { type LeasePorts, RunLeases } from "../lease/run-leases.ts";
import { RevocableStorage } from "../lease/revocable-storage.ts";
import type { Uploader } from "../connection/upload.ts";
import type { AgentPlatform } from "../platform/platform.ts";
import { TASK_RUNNERS } from "../tasks/index.ts";
import type { StorageUse, TaskContext } from "../tasks/task-context.ts";
import type { RunWarning } from "./event-text.ts";

export interface ExecutePorts extends LeasePorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly platform: AgentPlatform;
  readonly stateDir: string;
  /** Default: those of this system. */
  readonly snapshots?: SnapshotSystem;
  readonly upload: Uploader;
}

export interface RunListeners {
  readonly warn: (warning: RunWarning) => void;
  readonly log: (level: "info" | "warning" | "error", text: string) => void;
  readonly progress: (progress: RunProgress) => void;
  /** The run's leases, for beats; told before the first is taken. */
  readonly leases: (leases: RunLeases) => void;
}

/**
 * Carries out a task.
 *
 * @param abort ends the run with this error; the run's own limits (lease, deadline) use it, too.
 * @returns the result of the task's kind.
 * @throws AppError what the task fails with; when it was aborted, the reason for that.
 */
export async function executeRun(
  run: string,
  task: AgentTask,
  abort: AbortController,
  ports: ExecutePorts,
  listeners: RunListeners,
): Promise<unknown> {
  const { signal } = abort;
  checkMethod(task, ports.platform);
  using deadline = watchDeadline(task, abort, ports.clock);
  const storages: RevocableStorage[] = [];
  using leases = new RunLeases(ports, run, signal, (error) => {
    // First no call gets through any more, then the keys are overwritten: nothing is stored under keys of zeros.
    for (const storage of storages) storage.revoke(error);
    abort.abort(error);
  });
  listeners.leases(leases);
  try {
    deadline.check();
    await leases.begin();
    return await runTask(task, newContext(run, leases, storages, signal, ports, listeners));
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    for (const storage of storages) storage.revoke(new AppError("ERR_CANCELLED", "The run has ended."));
    await Promise.allSettled(storages.map((storage) => storage[Symbol.asyncDispose]()));
    leases.wipe();
    // Keys in objects of the runtime are overwritten when those are collected.
    collectAll();
  }
}

function runTask<K extends TaskKind>(
  task: TaskOf<K> & { readonly kind: K },
  context: TaskContext,
): Promise<unknown> {
  return TASK_RUNNERS[task.kind](task, context);
}

function newContext(
  run: string,
  leases: RunLeases,
  storages: RevocableStorage[],
  signal: AbortSignal,
  ports: ExecutePorts,
  { warn, log, progress }: RunListeners,
): TaskContext {
  const { clock, platform, stateDir, snapshots } = ports;
  const own = ownProcess();
  const open = async (ref: StorageRef, { create = false, pace }: StorageUse = {}): Promise<Storage> => {
    signal.throwIfAborted();
    const opened = await openStorage(ref.location, {
      create,
      credentials: leases.sourceOf(ref.id),
      onRefused: () => leases.refused(),
    });
    const storage = new RevocableStorage(opened, { signal, pace, clock });
    storages.push(storage);
    // Aborted while it was being opened: nobody would revoke it.
    if (signal.aborted) storage.revoke(asAppError(signal.reason));
    return storage;
  };
  return {
    signal,
    clock,
    host: hostname(),
    stateDir,
    hasModes: platform.module.hasModes,
    snapshots,
    keys: leases.keys,
    warn,
    log,
    progress,
    openStorage: open,
    upload: (to, head, bytes) => ports.upload({ run, to, head, bytes, signal }),
    repositoryPorts: (storage, repository) => ({
      storage,
      clock,
      randomness: systemRandomness,
      process: own,
      hasEnded: endedProcesses(own),
      cacheDir: join(stateDir, "cache", repository),
    }),
  };
}

/**
 * Before a lease is taken or a byte touched.
 *
 * @throws AppError `ERR_METHOD_UNSUPPORTED`.
 */
function checkMethod(task: AgentTask, { module, description }: AgentPlatform): void {
  if (!("repository" in task)) return;
  const { method } = suiteByCode(task.repository.suite);
  if (method === null || module.methods.includes(method)) return;
  const name = `AES-${method.toUpperCase()}`;
  const what = task.plan === undefined ? "The task" : `The plan "${task.plan.name}"`;
  throw new AppError(
    "ERR_METHOD_UNSUPPORTED",
    `${what} uses ${name}, which the device ${description.hostname} does not support on its system.`,
    {
      subject: task.plan?.name ?? description.hostname,
      remedy: `Clone the plan and choose another method than ${name} in the clone; restore its copies on another device.`,
    },
  );
}

interface Deadline extends Disposable {
  /** @throws AppError when it has passed already. */
  readonly check: () => void;
}

/** A long sleep is cut, since clocks jump. */
const DEADLINE_LOOK_MS = 60_000;

function watchDeadline({ deadline }: AgentTask, abort: AbortController, clock: Clock): Deadline {
  const over = new AbortController();
  const check = (): void => {
    if (deadline === undefined || clock.now() < deadline) return;
    if (!abort.signal.aborted) abort.abort(late());
    throw late();
  };
  const watch = async (untilMs: number): Promise<void> => {
    while (!over.signal.aborted && clock.now() < untilMs) {
      const pauseMs = Math.min(DEADLINE_LOOK_MS, Math.max(1, untilMs - clock.now()));
      await clock.sleep(pauseMs, over.signal).catch(() => undefined);
    }
    if (!over.signal.aborted && !abort.signal.aborted) abort.abort(late());
  };
  if (deadline !== undefined) void watch(deadline);
  return { check, [Symbol.dispose]: () => over.abort() };
}

function late(): AppError {
  return new AppError("ERR_TASK_DEADLINE", "The time that the plan allows for this task is over.", {
    remedy:
      "What had been stored is used by the next run. Give the plan a longer window if this happens again.",
  });
}

function asAppError(reason: unknown): AppError {
  if (reason instanceof AppError) return reason;
  const { code, message } = toErrorRecord(reason);
  return new AppError(code, message);
}
