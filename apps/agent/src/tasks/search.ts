/** `search`: paths by name, in one copy or in many. */
import { AppError } from "@holdfast/kernel";
import type { TaskOf, TaskResult } from "@holdfast/protocol";
import {
  type EntryMatcher,
  findInTrees,
  type FoundInTrees,
  openCopyReader,
  resolveCopy,
} from "@holdfast/repository";
import { createNameMatcher, createTextMatcher } from "@holdfast/sources";
import { LIST_BYTES_MAX } from "./bounded-results.ts";
import { bytesOfPlace, type EntryFields, entryFields, shownPath } from "./copy-place.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

type Found = TaskResult<"search">["found"][number];

export const search: TaskRunner<"search"> = async (task, context) => {
  const { signal, clock } = context;
  const matches = matcherOf(task);
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const list = await reader.listCopies();
  const copies = task.copies.map((id) => resolveCopy(list, id));
  const overMs = clock.monotonic() + task.secondsMax * 1000;
  let files = 0;
  const { paths, hasMore, trees } = await findInTrees(
    reader.readRecord,
    copies.map(({ table }) => table.root),
    (path, entry) => (matches(path, entry) ? entryFields(entry) : undefined),
    {
      under: bytesOfPlace(task),
      after: task.after === undefined ? undefined : Buffer.from(task.after, "base64url"),
      limit: task.limit,
      signal,
      isOver: () => clock.monotonic() >= overMs,
      onLooked: (entries) => {
        files += entries;
        context.progress({ files });
      },
    },
  );
  const { found, isCut } = fitting(paths);
  const last = paths[found.length - 1]?.path;
  const isMore = hasMore || isCut;
  return {
    copies: task.copies.slice(0, Math.min(trees + 1, copies.length)),
    found,
    ...(isMore && last !== undefined ? { next: last.toString("base64url") } : {}),
    complete: trees === copies.length,
  };
};

/** @throws AppError `ERR_USAGE`. */
function matcherOf({ match, pattern }: TaskOf<"search">): EntryMatcher {
  if (match === "text") return createTextMatcher(pattern);
  if (pattern.startsWith("!")) {
    throw new AppError("ERR_USAGE", "A pattern to search for cannot begin with an exclamation mark.", {
      subject: pattern,
      remedy: String.raw`Write \! for a name that begins so.`,
    });
  }
  return createNameMatcher(pattern);
}

/** As many as a frame holds. */
function fitting(paths: readonly FoundInTrees<EntryFields>[]): {
  readonly found: Found[];
  readonly isCut: boolean;
} {
  const found: Found[] = [];
  let bytes = 0;
  for (const one of paths) {
    const row = rowOf(one);
    bytes += Buffer.byteLength(JSON.stringify(row)) + 1;
    if (bytes > LIST_BYTES_MAX && found.length > 0) break;
    found.push(row);
  }
  return { found, isCut: found.length < paths.length };
}

function rowOf({ path, found }: FoundInTrees<EntryFields>): Found {
  const [newest] = found;
  const fields: EntryFields = newest?.value ?? { kind: "other", size: 0, modifiedMs: 0 };
  const states = new Set(
    found.map(({ value }) => `${value.kind} ${String(value.size)} ${String(value.modifiedMs)}`),
  );
  return { ...shownPath(path), ...fields, in: found.map(({ tree }) => tree), versions: states.size };
}
