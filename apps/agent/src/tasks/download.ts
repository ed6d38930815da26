/** `download`: hands a file, or a folder as an archive, to the service, for a browser that waits for it. */
import { AppError } from "@holdfast/kernel";
import type { TaskOf, TaskResult, UploadHead } from "@holdfast/protocol";
import {
  type CopyReader,
  type Entry,
  type FileEntry,
  joinPath,
  lookup,
  openCopyReader,
  resolveCopy,
  type TreeRoot,
  walkSections,
} from "@holdfast/repository";
import { archiveBytes, type ArchiveEntry, readContent } from "@holdfast/sources";
import { bytesOfPlace, notInCopy } from "./copy-place.ts";
import { openTaskRepository, type TaskContext, type TaskRunner } from "./task-context.ts";

const SLASH = 0x2f;
const NAME_MAX = 4096;

export const download: TaskRunner<"download"> = async (task, context) => {
  const begin = context.clock.monotonic();
  const { signal } = context;
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const { table } = resolveCopy(await reader.listCopies(), task.copy);
  const path = bytesOfPlace(task);
  const entry = path.length === 0 ? undefined : await lookup(reader.readRecord, table.root, path);
  if (entry === undefined && path.length > 0) throw notInCopy(path);
  if (entry !== undefined && entry.kind !== "directory" && entry.kind !== "file")
    throw notReadable(path, entry);
  const counts = { files: 0, bytes: 0, warnings: 0 };
  const outgoing =
    entry?.kind === "file"
      ? fileOf(reader, entry, path, task, context)
      : folderOf({ reader, root: table.root, path, task, context, counts });
  // All that is sent was authenticated chunk by chunk before.
  await context.upload(task.uploadTo, outgoing.head, counting(outgoing.bytes, counts, context));
  if (entry?.kind === "file") counts.files = 1;
  return { ...counts, seconds: (context.clock.monotonic() - begin) / 1000 };
};

interface Outgoing {
  readonly head: UploadHead;
  readonly bytes: AsyncIterable<Uint8Array>;
}

type Counts = { -readonly [Field in "files" | "bytes" | "warnings"]: TaskResult<"download">[Field] };

async function* counting(
  bytes: AsyncIterable<Uint8Array>,
  counts: Counts,
  { progress }: TaskContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of bytes) {
    yield piece;
    counts.bytes += piece.length;
    progress({ files: counts.files, bytes: counts.bytes });
  }
}

function fileOf(
  reader: CopyReader,
  entry: FileEntry,
  path: Buffer,
  { range }: TaskOf<"download">,
  { signal }: TaskContext,
): Outgoing {
  const total = entry.size;
  const name = nameOf(path);
  // A part that begins behind the end is none: then all of it is sent.
  if (range === undefined || range.from >= total) {
    return { head: { form: "file", name, size: total }, bytes: readContent(reader, entry, { signal }) };
  }
  const { from } = range;
  const to = Math.min(total, Math.max(from + 1, range.to ?? total));
  return {
    head: { form: "file", name, size: to - from, part: { from, total } },
    bytes: readContent(reader, entry, { from, to, signal }),
  };
}

interface FolderWork {
  readonly reader: CopyReader;
  readonly root: TreeRoot;
  readonly path: Buffer;
  readonly task: TaskOf<"download">;
  readonly context: TaskContext;
  readonly counts: Counts;
}

function folderOf(work: FolderWork): Outgoing {
  const { path, task, context, counts } = work;
  const bytes = archiveBytes(task.archive, entriesBelow(work), {
    onLeftOut: (left, message) => {
      counts.warnings += 1;
      context.warn({ code: "ERR_UNSUPPORTED", path: left, message });
    },
  });
  return { head: { form: task.archive, name: path.length === 0 ? "copy" : nameOf(path) }, bytes };
}

/** Everything below the folder, its paths beginning with the folder's own name. */
async function* entriesBelow({
  reader,
  root,
  path,
  context: { signal },
  counts,
}: FolderWork): AsyncGenerator<ArchiveEntry, void, undefined> {
  const above = path.lastIndexOf(SLASH) + 1;
  for await (const { directory, entries } of walkSections(reader.readRecord, root, { under: path, signal })) {
    for (const entry of entries) {
      const full = joinPath(directory, entry.name);
      counts.files += entry.kind === "file" ? 1 : 0;
      yield { path: full.subarray(above), entry, content: () => contentOf(reader, entry, signal) };
    }
  }
}

async function* contentOf(
  reader: CopyReader,
  entry: Entry,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (entry.kind === "file") yield* readContent(reader, entry, { signal });
}

function nameOf(path: Buffer): string {
  return path
    .subarray(path.lastIndexOf(SLASH) + 1)
    .toString("utf8")
    .slice(0, NAME_MAX)
    .toWellFormed();
}

function notReadable(path: Buffer, { kind }: Entry): AppError {
  const subject = `/${path.toString("utf8")}`;
  return new AppError("ERR_UNSUPPORTED", `${subject} is neither a file nor a folder but a ${kind}.`, {
    subject,
    remedy: "Restore it, or download the folder that it is in.",
  });
}
