/**
 * What a task is given to work with.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type {
  RepositoryRef,
  RunProgress,
  StorageRef,
  TaskKind,
  TaskOf,
  TaskResult,
  UploadHead,
} from "@holdfast/protocol";
import { type KeySet, openRepositoryWithKeys, type Repository } from "@holdfast/repository";
import type { SnapshotSystem } from "@holdfast/sources";
import type { Storage } from "@holdfast/storage";
import type { PaceStep } from "../lease/pace.ts";
import type { RunWarning } from "../runs/event-text.ts";

export interface StorageUse {
  readonly create?: boolean;
  /** How fast it may be stored. */
  readonly pace?: readonly PaceStep[];
}

export interface TaskContext {
  /** Aborted when the run is cancelled, its lease or time has run out, or the agent ends; the reason is the error to tell. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Who makes the copies. */
  readonly host: string;
  readonly stateDir: string;
  readonly hasModes: boolean;
  /** Default: those of this system. */
  readonly snapshots?: SnapshotSystem | undefined;
  /** Of this run's lease. */
  readonly keys: KeySet | undefined;
  readonly warn: (warning: RunWarning) => void;
  readonly log: (level: "info" | "warning" | "error", text: string) => void;
  /** May be called as often as one likes. */
  readonly progress: (progress: RunProgress) => void;
  /** Opens a storage with the lease's credentials. It is closed with the run, if not before. */
  readonly openStorage: (ref: StorageRef, use?: StorageUse) => Promise<Storage>;
  /**
   * Sends bytes to the service, which waits for them for this run; once.
   *
   * @param to address of the process that waits; undefined: where the channel goes.
   * @throws AppError `ERR_CANCELLED` when nobody waits any more, `ERR_SERVICE_UNREACHABLE`, and what `bytes` throws.
   */
  readonly upload: (
    to: string | undefined,
    head: UploadHead,
    bytes: AsyncIterable<Uint8Array>,
  ) => Promise<void>;
  readonly repositoryPorts: (storage: Storage, repository: string) => Repository["ports"];
}

export type TaskRunner<K extends TaskKind> = (
  task: TaskOf<K>,
  context: TaskContext,
) => Promise<TaskResult<K>>;

/**
 * Opens the repository of a task with the keys of the lease.
 *
 * @throws AppError `ERR_REPOSITORY_MISMATCH` when the one that is there is not the task's, and what opening it throws.
 */
export async function openTaskRepository(
  context: TaskContext,
  storage: Storage,
  ref: RepositoryRef,
): Promise<Repository> {
  const repository = await openRepositoryWithKeys(
    context.repositoryPorts(storage, ref.id),
    keysFor(context, ref),
  );
  if (repository.config.suite.code === ref.suite) return repository;
  throw new AppError(
    "ERR_REPOSITORY_MISMATCH",
    `The repository in ${ref.storage.name} is encrypted in another way than the plan says.`,
    {
      subject: ref.storage.name,
      remedy: "Somebody exchanged it, or the storage's location was changed: put the right one back.",
    },
  );
}

export function keysFor({ keys }: TaskContext, { id }: RepositoryRef): KeySet {
  if (keys?.repository.toString("hex") === id) return keys;
  throw new AppError("ERR_PROTOCOL", "The lease holds no keys for the repository of the task.", {
    remedy: "Use an agent and a service of the same version.",
  });
}
