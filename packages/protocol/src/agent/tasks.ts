/**
 * What an agent is asked to do (docs/protocol.md, section 4). A task holds no secret.
 *
 * @module
 */
import { z } from "zod";
import { base64, copyId, count, instant, line, planId, repositoryId, storageId, taskId } from "../values.ts";

const PATHS_MAX = 1000;
const path = z.string().min(1).max(4096);
const paths = z.array(path).min(1).max(PATHS_MAX);
const globs = z.array(z.string().min(1).max(4096)).max(PATHS_MAX);

/** Where: a location as STORAGE of the command has it, without any credentials. */
export const storageRef = z.object({ id: storageId, name: line(200), location: z.string().min(1).max(4096) });
export type StorageRef = z.infer<typeof storageRef>;

/** An object that the service made ready: the agent stores it if it is absent. */
const preparedObject = z.object({ name: z.string().max(200), bytes: base64(64 * 1024) });

export const repositoryRef = z.object({
  id: repositoryId,
  storage: storageRef,
  /** Of docs/format.md, section 3.5; the agent refuses the repository when its config has another. */
  suite: z.int().min(0).max(6),
  /** In this order; the config is the last. */
  prepared: z.array(preparedObject).max(16),
});
export type RepositoryRef = z.infer<typeof repositoryRef>;

const common = {
  id: taskId,
  deadline: instant.optional(),
  plan: z.object({ id: planId, name: line(200) }).optional(),
};

export const hook = z.object({
  command: z.array(z.string().max(4096)).min(1).max(64),
  timeoutMs: z.int().positive(),
});

export const storageTestTask = z.object({ ...common, kind: z.literal("storage.test"), storage: storageRef });

export const backupTask = z.object({
  ...common,
  kind: z.literal("backup"),
  repository: repositoryRef,
  paths,
  exclude: globs,
  oneFileSystem: z.boolean(),
  tags: z.array(line(200)).max(100),
  name: line(200).optional(),
  compression: z.int().min(0).max(19),
  bytesPerSecond: z.int().positive().optional(),
  before: hook.optional(),
  after: hook.optional(),
});

export const copiesTask = z.object({ ...common, kind: z.literal("copies"), repository: repositoryRef });

export const restoreTask = z.object({
  ...common,
  kind: z.literal("restore"),
  repository: repositoryRef,
  copy: copyId,
  /** Absent: every file goes back to where it was. */
  target: path.optional(),
  include: globs,
  existing: z.enum(["skip", "overwrite", "keep-both"]),
});

export const verifyTask = z.object({
  ...common,
  kind: z.literal("verify"),
  repository: repositoryRef,
  readData: z.boolean(),
  copies: z.array(copyId).max(10_000),
});

export const retentionPolicy = z.object({
  last: count.optional(),
  hourly: count.optional(),
  daily: count.optional(),
  weekly: count.optional(),
  monthly: count.optional(),
  yearly: count.optional(),
});

export type RetentionPolicyGiven = z.infer<typeof retentionPolicy>;

export const forgetTask = z.object({
  ...common,
  kind: z.literal("forget"),
  repository: repositoryRef,
  copies: z.array(copyId).min(1).max(10_000),
});

export const cleanTask = z.object({ ...common, kind: z.literal("clean"), repository: repositoryRef });

export const replicateTask = z.object({
  ...common,
  kind: z.literal("replicate"),
  repository: repositoryRef,
  target: storageRef,
  copies: z.array(copyId).max(10_000),
});

export const browseTask = z.object({
  ...common,
  kind: z.literal("browse"),
  repository: repositoryRef,
  copy: copyId,
  /** `""` is the root of the copy. */
  path: z.string().max(4096),
  after: z.string().max(4096).optional(),
  limit: z.int().min(1).max(1000),
});

export const agentTask = z.discriminatedUnion("kind", [
  storageTestTask,
  backupTask,
  copiesTask,
  restoreTask,
  verifyTask,
  forgetTask,
  cleanTask,
  replicateTask,
  browseTask,
]);
export type AgentTask = z.infer<typeof agentTask>;
export type TaskKind = AgentTask["kind"];
export type TaskOf<K extends TaskKind> = Extract<AgentTask, { kind: K }>;
