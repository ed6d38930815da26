/** `backup`: creates the repository if it is missing, then makes a copy. It gets no key that could read one. */
import { isAbsolute } from "node:path";
import { AppError, isAppError } from "@holdfast/kernel";
import type { CatalogueCopy, RepositoryRef, TaskOf } from "@holdfast/protocol";
import {
  lateSlots,
  type PreparedObject,
  readConfig,
  type Repository,
  storePreparedObjects,
} from "@holdfast/repository";
import {
  backupFiles,
  type BackupResult,
  createSelection,
  freezeVolumes,
  type FrozenVolumes,
  resolvePath,
} from "@holdfast/sources";
import type { Storage } from "@holdfast/storage";
import { withHooks } from "../hooks/with-hooks.ts";
import type { PaceStep } from "../lease/pace.ts";
import { version } from "../version.ts";
import { boundedTexts } from "./bounded-results.ts";
import { leftIn } from "./left-in.ts";
import { requireRepository } from "./require-repository.ts";
import { knownFields } from "./progress-fields.ts";
import { openTaskRepository, type TaskContext, type TaskRunner } from "./task-context.ts";

export const backup: TaskRunner<"backup"> = (task, context) =>
  withHooks(task, context, async () => {
    const paths = task.paths.map(absolutePath);
    const pace = paceOf(task);
    const hasCopies = task.hasCopies === true;
    const use = { create: !hasCopies, ...(pace === undefined ? {} : { pace }) };
    const storage = await context.openStorage(task.repository.storage, use);
    if (hasCopies) await requireRepository(storage);
    else await createIfMissing(storage, task.repository, context);
    const repository = await openTaskRepository(context, storage, task.repository);
    // Such as that of a recovery kit which is younger than the repository, which has proved to be the task's own.
    for (const { name, bytes } of lateSlots(objectsOf(task.repository.prepared)))
      await storage.put(name, bytes);
    const result = await makeCopy(repository, task, paths, context);
    const { filesNew, filesChanged, filesUnchanged, bytesRead, bytesAdded, bytesStored } = result;
    const counts = { filesNew, filesChanged, filesUnchanged, bytesRead, bytesAdded, bytesStored };
    return {
      copy: catalogueEntry(result, task, context),
      ...counts,
      seconds: result.seconds,
      warnings: result.warnings,
      ...(await leftIn(storage)),
    };
  });

function paceOf({ bandwidth, bytesPerSecond }: TaskOf<"backup">): readonly PaceStep[] | undefined {
  if (bandwidth !== undefined) return bandwidth;
  return bytesPerSecond === undefined ? undefined : [{ from: 0, bytesPerSecond }];
}

async function makeCopy(
  repository: Repository,
  task: TaskOf<"backup">,
  paths: readonly Buffer[],
  context: TaskContext,
): Promise<BackupResult> {
  const { oneFileSystem, tags, name } = task;
  await using frozen = task.snapshot ? await freeze(paths, context) : undefined;
  return await backupFiles(repository, {
    paths,
    ...(frozen === undefined ? {} : { readFrom: frozen.readFrom }),
    selection: createSelection({ exclude: task.exclude, oneFileSystem, roots: paths }),
    oneFileSystem,
    ownFolders: [context.stateDir],
    host: context.host,
    tags: [...new Set(tags)],
    ...(name === undefined ? {} : { name }),
    program: `holdfast agent ${version()}`,
    compressionLevel: task.compression,
    signal: context.signal,
    onProgress: ({ files, bytes, filesExpected, bytesExpected, bytesPerSecond }) => {
      const totals = { filesTotal: filesExpected, bytesTotal: bytesExpected };
      context.progress(knownFields({ files, bytes, ...totals, bytesPerSecond }));
    },
    onWarning: context.warn,
  });
}

function freeze(
  paths: readonly Buffer[],
  { stateDir, warn, signal, snapshots }: TaskContext,
): Promise<FrozenVolumes> {
  const system = snapshots === undefined ? {} : { system: snapshots };
  return freezeVolumes(paths, { stateDir, onWarning: warn, signal, ...system });
}

/** What the first backup of a plan finds is an empty place; the service has made the repository already. */
async function createIfMissing(
  storage: Storage,
  { prepared }: RepositoryRef,
  context: TaskContext,
): Promise<void> {
  const objects = objectsOf(prepared);
  try {
    await readConfig(storage);
  } catch (error) {
    if (!isAppError(error, "ERR_REPOSITORY_MISSING") || objects.length === 0) throw error;
    // The slots first and the config after them, each only if absent: two devices may do this at once.
    if ((await storePreparedObjects(storage, objects)) === "created") {
      context.log("info", `Made the repository in ${storage.location}.`);
    }
  }
}

function objectsOf(prepared: RepositoryRef["prepared"]): readonly PreparedObject[] {
  return prepared.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") }));
}

function catalogueEntry(result: BackupResult, task: TaskOf<"backup">, { host }: TaskContext): CatalogueCopy {
  const { copyId, timeMs, size } = result;
  if (copyId === undefined || timeMs === undefined || size === undefined)
    throw new Error("a backup made no copy");
  return {
    id: copyId,
    time: timeMs,
    host,
    kind: "files",
    ...(task.name === undefined ? {} : { name: task.name }),
    paths: boundedTexts(task.paths),
    tags: [...new Set(task.tags)],
    size,
    files: result.filesNew + result.filesChanged + result.filesUnchanged,
  };
}

/** Normalized: `/srv/./data/` and `/srv/data` are the same source. @throws AppError `ERR_USAGE`. */
function absolutePath(path: string): Buffer {
  if (!isAbsolute(path) || path.includes("\0")) {
    throw new AppError("ERR_USAGE", `${path} is no absolute path of this device.`, {
      subject: path,
      remedy: "Change the paths of the plan.",
    });
  }
  return resolvePath(Buffer.from("/"), Buffer.from(path, "utf8"));
}
