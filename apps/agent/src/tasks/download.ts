/** `download`: hands a file, or folders and several places as an archive, to the service, for a browser that waits for it. */
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
  walkUnder,
} from "@holdfast/repository";
import { archiveBytes, type ArchiveEntry, readContent } from "@holdfast/sources";
import { bytesOfPlace, notInCopy } from "./copy-place.ts";
import { nameInArchive, packedPlaces, type PackedPlaces } from "./packed-places.ts";
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
  const counts = { files: 0, bytes: 0, warnings: 0 };
  const asked = [bytesOfPlace(task), ...(task.also ?? []).map((bytes) => Buffer.from(bytes, "base64url"))];
  const entries = [];
  for (const path of asked) entries.push(await entryAt(reader, table.root, path));
  const [path = Buffer.alloc(0)] = asked;
  const [entry] = entries;
  const single = asked.length === 1 ? entry : undefined;
  if (single !== undefined && single.kind !== "directory" && single.kind !== "file")
    throw notReadable(path, single);
  const outgoing =
    single?.kind === "file"
      ? fileOf(reader, single, path, task, context)
      : archiveOf({ reader, root: table.root, packed: packedPlaces(asked), task, context, counts });
  // All that is sent was authenticated chunk by chunk before.
  await context.upload(task.uploadTo, outgoing.head, counting(outgoing.bytes, counts, context));
  if (single?.kind === "file") counts.files = 1;
  return { ...counts, seconds: (context.clock.monotonic() - begin) / 1000 };
};

/** Undefined for the whole copy, which has no entry. @throws AppError `ERR_PATH_NOT_FOUND`. */
async function entryAt(reader: CopyReader, root: TreeRoot, path: Buffer): Promise<Entry | undefined> {
  if (path.length === 0) return undefined;
  const entry = await lookup(reader.readRecord, root, path);
  if (entry === undefined) throw notInCopy(path);
  return entry;
}

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

interface ArchiveWork {
  readonly reader: CopyReader;
  readonly root: TreeRoot;
  readonly packed: PackedPlaces;
  readonly task: TaskOf<"download">;
  readonly context: TaskContext;
  readonly counts: Counts;
}

function archiveOf(work: ArchiveWork): Outgoing {
  const { packed, task, context, counts } = work;
  const bytes = archiveBytes(task.archive, entriesOf(work), {
    onLeftOut: (left, message) => {
      counts.warnings += 1;
      context.warn({ code: "ERR_UNSUPPORTED", path: left, message });
    },
  });
  const [first = Buffer.alloc(0)] = packed.places;
  const name = nameOf(packed.places.length === 1 ? first : packed.folder);
  return { head: { form: task.archive, name: name === "" ? "copy" : name }, bytes };
}

async function* entriesOf({
  reader,
  root,
  packed,
  context: { signal },
  counts,
}: ArchiveWork): AsyncGenerator<ArchiveEntry, void, undefined> {
  for (const place of packed.places) {
    for await (const { directory, entries } of walkUnder(reader.readRecord, root, place, signal)) {
      for (const entry of entries) {
        counts.files += entry.kind === "file" ? 1 : 0;
        const path = nameInArchive(joinPath(directory, entry.name), packed);
        yield { path, entry, content: () => contentOf(reader, entry, signal) };
      }
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
