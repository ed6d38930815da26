/**
 * Searching and comparing copies: tasks of a device that somebody asks about until they are done. Their results are kept for an
 * hour, and shown to nobody who may not look into copies.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import {
  type CopyFilter,
  errorRecord,
  type NewComparison,
  type NewSearch,
  runProgress,
  type StartedSearch,
  type TaskKind,
  type TaskResult,
  taskResults,
  taskState,
  type VersionsQuery,
} from "@holdfast/protocol";
import type { z } from "zod";
import type { Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice, writerOf } from "../operations/device-choice.ts";
import { type CopyRow, findCopy, newestCopies } from "./copy-rows.ts";
import { checkDevice, type CopyDependencies, resultOf, startCopyTask } from "./copy-tasks.ts";

const RESULT_KEPT_MS = 3600_000;
const LOOKUP_KINDS: readonly TaskKind[] = ["browse", "search", "versions", "compare"];
/** Each is a task of its own. */
const REPOSITORIES_MAX = 8;
const VERSIONS_WAIT_MS = 30_000;

/** @throws AppError `ERR_NOT_FOUND` when no copy fits, `ERR_NO_DEVICE`. */
export async function startSearch(
  dependencies: CopyDependencies,
  actor: Actor,
  request: NewSearch,
): Promise<StartedSearch> {
  const { db } = dependencies.database;
  const { pattern, match, path, pathBytes, after, limit, secondsMax, runOn } = request;
  await forgetOldResults(dependencies);
  const searches: StartedSearch["searches"] = [];
  for (const [repository, copies] of await copiesToSearch(db, request)) {
    const [first] = copies;
    if (first === undefined) continue;
    const input = {
      copies: copies.map(({ id }) => id),
      pattern,
      match,
      path,
      limit,
      secondsMax,
      ...given({ pathBytes, after }),
    };
    const task = await startCopyTask(
      dependencies,
      actor,
      "copy.search",
      first.id,
      {
        kind: "search",
        deviceId: await reader(db, first, runOn),
        repositoryId: repository,
        input,
        createdBy: actor.userId,
      },
      { details: { repository, copies: copies.length } },
    );
    searches.push({ task, repository, copies: copies.length });
  }
  return { searches };
}

/** By repository, the newest first. */
async function copiesToSearch(db: Db, request: NewSearch): Promise<ReadonlyMap<string, CopyRow[]>> {
  const { copy, plan, device, repository, since, until, copiesMax } = request;
  const filter: CopyFilter = given({ plan, device, repository, since, until });
  const rows =
    copy === undefined ? await newestCopies(db, filter, copiesMax) : [await findCopy(db, copy, repository)];
  const byRepository = Map.groupBy(rows, ({ repositoryId }) => repositoryId);
  if (byRepository.size === 0) {
    throw new AppError("ERR_NOT_FOUND", "There is no copy to search in.", {
      remedy: "Look in the list of copies which there are, or search in more time.",
    });
  }
  if (byRepository.size > REPOSITORIES_MAX) {
    throw new AppError("ERR_USAGE", `These copies are in ${String(byRepository.size)} repositories.`, {
      remedy: `Search in those of one plan, or of ${String(REPOSITORIES_MAX)} repositories at most.`,
    });
  }
  return byRepository;
}

/** @returns the task. @throws AppError `ERR_NOT_FOUND`, `ERR_USAGE` for copies of two repositories, `ERR_NO_DEVICE`. */
export async function startComparison(
  dependencies: CopyDependencies,
  actor: Actor,
  request: NewComparison,
): Promise<string> {
  const { db } = dependencies.database;
  const { path, pathBytes, from, limit, runOn, repository } = request;
  await forgetOldResults(dependencies);
  const before = await findCopy(db, request.before, repository);
  const after = await findCopy(db, request.after, repository ?? before.repositoryId);
  const input = { before: before.id, after: after.id, path, limit, ...given({ pathBytes, from }) };
  return startCopyTask(
    dependencies,
    actor,
    "copy.compare",
    after.id,
    {
      kind: "compare",
      deviceId: await reader(db, after, runOn),
      repositoryId: after.repositoryId,
      input,
      createdBy: actor.userId,
    },
    { details: { before: before.id } },
  );
}

/** One path in the copies of a device, to a given one. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`, what the task fails with. */
export async function versionsOf(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  { path = "", pathBytes, copies: copiesMax, runOn, repository }: VersionsQuery,
): Promise<TaskResult<"versions">> {
  const { db } = dependencies.database;
  const copy = await findCopy(db, copyId, repository);
  await forgetOldResults(dependencies);
  const filter: CopyFilter = {
    repository: copy.repositoryId,
    until: copy.time + 1,
    ...(copy.deviceId === null ? {} : { device: copy.deviceId }),
    ...(copy.planId === null ? {} : { plan: copy.planId }),
  };
  const rows = await newestCopies(db, filter, copiesMax);
  const copies = rows.filter(({ host }) => copy.deviceId !== null || host === copy.host).map(({ id }) => id);
  const task = await startCopyTask(dependencies, actor, "copy.versions", copyId, {
    kind: "versions",
    deviceId: await reader(db, copy, runOn),
    repositoryId: copy.repositoryId,
    input: { copies: copies.toReversed(), path, ...given({ pathBytes }) },
    createdBy: actor.userId,
  });
  return taskResults.versions.parse(await resultOf(dependencies, task, { waitMs: VERSIONS_WAIT_MS }));
}

export interface Lookup<K extends "search" | "compare"> {
  readonly task: string;
  readonly state: z.infer<typeof taskState>;
  readonly progress: z.infer<typeof runProgress> | null;
  readonly error: z.infer<typeof errorRecord> | null;
  readonly result: TaskResult<K> | null;
}

/** How far a search or comparison is. @throws AppError `ERR_NOT_FOUND` for anything else. */
export async function readLookup<K extends "search" | "compare">(
  dependencies: CopyDependencies,
  kind: K,
  taskId: string,
  waitMs: number,
  gone: AbortSignal,
): Promise<Omit<Lookup<K>, "result"> & { readonly result: unknown }> {
  const { db } = dependencies.database;
  await findLookup(db, kind, taskId);
  // How it ended is in the row.
  if (waitMs > 0) await resultOf(dependencies, taskId, { waitMs, signal: gone }).catch(() => undefined);
  const row = await findLookup(db, kind, taskId);
  return {
    task: taskId,
    state: taskState.parse(row.state),
    progress: row.progress === null ? null : runProgress.parse(JSON.parse(row.progress)),
    error: row.error === null ? null : errorRecord.parse(JSON.parse(row.error)),
    result: row.result === null || row.result === FORGOTTEN ? null : JSON.parse(row.result),
  };
}

async function findLookup(
  db: Db,
  kind: TaskKind,
  id: string,
): Promise<{ state: string; progress: string | null; error: string | null; result: string | null }> {
  const row = await db
    .selectFrom("tasks")
    .leftJoin("runs", "runs.id", "tasks.run_id")
    .select(["tasks.state", "runs.progress", "tasks.error", "tasks.result"])
    .where("tasks.id", "=", id)
    .where("tasks.kind", "=", kind)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no such search or comparison as ${id}.`, {
    subject: id,
    remedy: "Start it again.",
  });
}

/** What is left of a result that nobody needs any more: names of files stay in the database no longer than that. */
const FORGOTTEN = "{}";

async function forgetOldResults({ database, clock }: CopyDependencies): Promise<void> {
  await database.db
    .updateTable("tasks")
    .set({ result: FORGOTTEN })
    .where("kind", "in", LOOKUP_KINDS)
    .where("ended_at", "<", clock.now() - RESULT_KEPT_MS)
    .where("result", "<>", FORGOTTEN)
    .execute();
}

async function reader(db: Db, copy: CopyRow, runOn: string | undefined): Promise<string> {
  if (runOn === undefined) return chooseDevice(db, copy.storageId, await writerOf(db, copy));
  await checkDevice(db, runOn);
  return runOn;
}

/** Without the fields that are undefined. */
function given<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same names, less those without a value
  return Object.fromEntries(entries) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}
