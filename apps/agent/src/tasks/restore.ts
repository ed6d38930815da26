/** `restore`: writes files of a copy below a target, or back to their places. */
import { isAbsolute } from "node:path";
import { AppError } from "@holdfast/kernel";
import type { TaskOf } from "@holdfast/protocol";
import { resolveCopy, rootedPath } from "@holdfast/repository";
import {
  createInclusion,
  createPathInclusion,
  type Inclusion,
  includePatterns,
  restoreFiles,
  unionOf,
} from "@holdfast/sources";
import { readCopies } from "./copies.ts";
import { knownFields } from "./progress-fields.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

export const restore: TaskRunner<"restore"> = async (task, context) => {
  // A copy holds full paths: below the root, everything is back where it was.
  const target = task.target ?? "/";
  if (!isAbsolute(target)) throw notAbsolute(target);
  const { existing, dryRun = false } = task;
  const include = inclusionOf(task);
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  const copy = resolveCopy(await readCopies(repository, context), task.copy);
  const summary = await restoreFiles(repository, {
    copy,
    target,
    ...(include === undefined ? {} : { include }),
    existing,
    dryRun,
    durable: true,
    signal: context.signal,
    onProgress: ({ files, bytes, bytesTotal }) => {
      // Of a part of a copy the total is not known.
      context.progress(
        knownFields({ files, bytes, bytesTotal: include === undefined ? bytesTotal : undefined }),
      );
    },
    onWarning: (warning) => context.warn({ ...warning, path: rootedPath(warning.path) }),
  });
  const { files, folders, skipped, bytes, seconds, warnings, damaged } = summary;
  if (files + folders + skipped === 0 && include !== undefined) throw nothingNamed(namesOf(task));
  if (skipped > 0) context.log("info", `${String(skipped)} entries were there already and were left alone.`);
  if (damaged > 0) {
    context.log("error", `${String(damaged)} entries could not be restored because of damaged data.`);
  }
  return { files, bytes, seconds, warnings, folders, skipped, ...(dryRun ? { dryRun } : {}) };
};

/** Undefined for everything. */
function inclusionOf({ include, paths = [] }: TaskOf<"restore">): Inclusion | undefined {
  const named = [
    ...(include.length === 0 ? [] : [createInclusion(include.flatMap(includePatterns))]),
    ...(paths.length === 0 ? [] : [createPathInclusion(paths.map((path) => Buffer.from(path, "base64url")))]),
  ];
  return named.length === 0 ? undefined : unionOf(named);
}

function namesOf({ include, paths = [] }: TaskOf<"restore">): string[] {
  return [...include, ...paths.map((path) => `/${Buffer.from(path, "base64url").toString("utf8")}`)];
}

function nothingNamed(include: readonly string[]): AppError {
  const named = include.slice(0, 10).join(", ");
  return new AppError("ERR_PATH_NOT_FOUND", `The copy has nothing by the name ${named}.`, {
    subject: named,
    remedy: "Browse the copy to see what is in it.",
  });
}

function notAbsolute(target: string): AppError {
  return new AppError("ERR_USAGE", `${target} is no absolute path of this device.`, {
    subject: target,
    remedy: "Name the folder with its full path.",
  });
}
