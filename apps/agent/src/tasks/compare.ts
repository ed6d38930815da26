/** `compare`: what differs between two copies of a repository. */
import type { TaskOf, TaskResult } from "@holdfast/protocol";
import {
  comparePaths,
  compareTrees,
  type Difference,
  openCopyReader,
  resolveCopy,
} from "@holdfast/repository";
import { boundedList, LIST_BYTES_MAX } from "./bounded-results.ts";
import { bytesOfPlace, entryFields, shownPath } from "./copy-place.ts";
import { openTaskRepository, type TaskContext, type TaskRunner } from "./task-context.ts";

type Shown = TaskResult<"compare">["differences"][number];
type Counts = NonNullable<TaskResult<"compare">["counts"]>;

const FOLDERS_MAX = 1000;
/** Of the folders' bytes: differences have the rest. */
const FOLDERS_BYTES_MAX = LIST_BYTES_MAX / 4;
const SLASH = 0x2f;

export const compare: TaskRunner<"compare"> = async (task, context) => {
  const { signal } = context;
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const list = await reader.listCopies();
  const before = resolveCopy(list, task.before);
  const after = resolveCopy(list, task.after);
  const differences = compareTrees(reader.readRecord, before.table.root, after.table.root, signal);
  return await collect(differences, task, context);
};

async function collect(
  differences: AsyncIterable<Difference>,
  task: TaskOf<"compare">,
  context: TaskContext,
): Promise<TaskResult<"compare">> {
  const under = bytesOfPlace(task);
  const from = task.from === undefined ? undefined : Buffer.from(task.from, "base64url");
  const shown: Shown[] = [];
  const folders = new FolderCounts(under);
  let bytes = 0;
  let last: Buffer | undefined;
  let isFull = false;
  for await (const difference of differences) {
    const { path } = difference;
    if (!isBelow(path, under) || (from !== undefined && comparePaths(path, from) <= 0)) continue;
    folders.add(difference);
    context.progress({ files: folders.total });
    if (!isFull) {
      const row = shownDifference(difference);
      bytes += Buffer.byteLength(JSON.stringify(row)) + 1;
      isFull = shown.length >= task.limit || bytes > LIST_BYTES_MAX - FOLDERS_BYTES_MAX;
      if (!isFull || shown.length === 0) {
        shown.push(row);
        last = path;
      }
    }
    // Only the first page counts all there is.
    if (isFull && from !== undefined) break;
  }
  return {
    differences: shown,
    ...(isFull && last !== undefined ? { next: last.toString("base64url") } : {}),
    ...(from === undefined ? folders.result() : {}),
  };
}

function isBelow(path: Buffer, under: Buffer): boolean {
  if (under.length === 0) return true;
  return (
    path.length > under.length && path[under.length] === SLASH && path.subarray(0, under.length).equals(under)
  );
}

function shownDifference(difference: Difference): Shown {
  return {
    ...shownPath(difference.path),
    change: difference.change,
    ...("before" in difference ? { before: entryFields(difference.before) } : {}),
    ...("after" in difference ? { after: entryFields(difference.after) } : {}),
  };
}

/** Counts by the entries of one folder: where to look further. */
class FolderCounts {
  readonly #under: Buffer;
  readonly #all: Counts = noCounts();
  readonly #byName = new Map<string, { readonly path: Buffer; readonly counts: Counts }>();
  total = 0;

  constructor(under: Buffer) {
    this.#under = under;
  }

  add({ path, change }: Difference): void {
    this.total += 1;
    this.#all[change] += 1;
    const start = this.#under.length === 0 ? 0 : this.#under.length + 1;
    const end = path.indexOf(SLASH, start);
    const name = path.subarray(start, end === -1 ? path.length : end);
    const key = name.toString("latin1");
    const known = this.#byName.get(key);
    if (known !== undefined) known.counts[change] += 1;
    else if (this.#byName.size < FOLDERS_MAX) {
      const top = Buffer.from(path.subarray(0, start + name.length));
      this.#byName.set(key, { path: top, counts: { ...noCounts(), [change]: 1 } });
    }
  }

  result(): Pick<TaskResult<"compare">, "counts" | "folders"> {
    const folders = [...this.#byName.entries()].map(([key, { path, counts }]) => {
      const { pathBytes } = shownPath(path);
      const name = shownPath(Buffer.from(key, "latin1")).path;
      return { name, ...(pathBytes === undefined ? {} : { pathBytes }), ...counts };
    });
    return { counts: this.#all, folders: boundedList(folders, FOLDERS_MAX, FOLDERS_BYTES_MAX) };
  }
}

function noCounts(): Counts {
  return { added: 0, removed: 0, modified: 0, metadata: 0 };
}
