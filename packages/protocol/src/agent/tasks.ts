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

/** A path's bytes as base64url: what is not UTF-8 has no other name. */
export const pathBytes = z
  .string()
  .max(8192)
  .regex(/^[A-Za-z0-9_-]*$/u, "is not base64url");
/** From the top of a copy; the empty path is the whole copy. `pathBytes` comes before `path`. */
const copyPlace = { path: z.string().max(4096), pathBytes: pathBytes.optional() };
export const LOOKUP_COPIES_MAX = 200;
const lookupCopies = z.array(copyId).min(1).max(LOOKUP_COPIES_MAX);

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
  /** There are copies where this device stores: where the repository is missing, a disk is, and no new one is made. */
  hasCopies: z.boolean().optional(),
  paths,
  exclude: globs,
  oneFileSystem: z.boolean(),
  /** Reads the volumes as they are when the backup begins; where the device cannot, the task fails. */
  snapshot: z.boolean(),
  tags: z.array(line(200)).max(100),
  name: line(200).optional(),
  compression: z.int().min(0).max(19),
  bytesPerSecond: z.int().positive().optional(),
  /** Instead of `bytesPerSecond`: changes of the limit, each from its time on until the next; null: none. */
  bandwidth: z
    .array(z.object({ from: instant, bytesPerSecond: z.int().positive().nullable() }))
    .max(2000)
    .optional(),
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
  /** Whole paths as bytes, besides what `include` names. */
  paths: z.array(pathBytes).max(PATHS_MAX).optional(),
  existing: z.enum(["skip", "overwrite", "keep-both"]),
  /** Only counts. */
  dryRun: z.boolean().optional(),
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
  /** As `hasCopies` of a backup, of the target. */
  targetHasCopies: z.boolean().optional(),
  copies: z.array(copyId).max(10_000),
});

export const browseTask = z.object({
  ...common,
  kind: z.literal("browse"),
  repository: repositoryRef,
  copy: copyId,
  ...copyPlace,
  after: z.string().max(4096).optional(),
  limit: z.int().min(1).max(1000),
});

/** By name, in copies of one repository. */
export const searchTask = z.object({
  ...common,
  kind: z.literal("search"),
  repository: repositoryRef,
  /** The newest first: it says what a path is. */
  copies: lookupCopies,
  pattern: z.string().min(1).max(1000),
  /** `glob`: as patterns of a selection. `text`: part of a name, whatever its case. */
  match: z.enum(["glob", "text"]),
  /** Only below this folder. */
  ...copyPlace,
  after: pathBytes.optional(),
  limit: z.int().min(1).max(1000),
  /** When this is over, the search answers what it has. */
  secondsMax: z.int().min(1).max(3600),
});

/** One path through time. */
export const versionsTask = z.object({
  ...common,
  kind: z.literal("versions"),
  repository: repositoryRef,
  /** The oldest first. */
  copies: lookupCopies,
  ...copyPlace,
});

export const compareTask = z.object({
  ...common,
  kind: z.literal("compare"),
  repository: repositoryRef,
  before: copyId,
  after: copyId,
  /** Only below this folder. */
  ...copyPlace,
  /** Differences behind this path. */
  from: pathBytes.optional(),
  limit: z.int().min(1).max(1000),
});

/** As many as fit an address, with long paths. */
export const DOWNLOAD_PLACES_MAX = 100;
export const ARCHIVE_FORMS = ["zip", "tar"] as const;

/** The agent sends the bytes to the service by an upload (docs/protocol.md, section 7). */
export const downloadTask = z.object({
  ...common,
  kind: z.literal("download"),
  repository: repositoryRef,
  copy: copyId,
  ...copyPlace,
  /** More places, which go into one archive with the first. */
  also: z.array(pathBytes).max(DOWNLOAD_PLACES_MAX).optional(),
  /** What a folder becomes, and several places. */
  archive: z.enum(ARCHIVE_FORMS),
  /** Of a file: the first byte, and the one behind the last. */
  range: z.object({ from: count, to: count.optional() }).optional(),
  /** `https://HOST:PORT` of the process that waits for it. Absent: where the agent's channel goes. */
  uploadTo: z
    .url({ protocol: /^https$/u })
    .max(400)
    .optional(),
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
  searchTask,
  versionsTask,
  compareTask,
  downloadTask,
]);
export type AgentTask = z.infer<typeof agentTask>;
export type TaskKind = AgentTask["kind"];
export type TaskOf<K extends TaskKind> = Extract<AgentTask, { kind: K }>;
