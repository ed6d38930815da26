/** `browse`: one page of a folder of a copy. */
import type { TaskResult } from "@holdfast/protocol";
import { type Entry, listDirectory, openCopyReader, resolveCopy } from "@holdfast/repository";
import { LIST_BYTES_MAX } from "./bounded-results.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

type Browsed = TaskResult<"browse">["entries"][number];

const NAME_MAX = 4096;

export const browse: TaskRunner<"browse"> = async (task, context) => {
  const { signal } = context;
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const copy = resolveCopy(await reader.listCopies(), task.copy);
  const path = Buffer.from(task.path.replaceAll(/^\/+|\/+$/gu, ""), "utf8");
  const after = task.after === undefined ? undefined : Buffer.from(task.after, "base64url");
  const page = new Page(task.limit);
  for await (const entries of listDirectory(reader.readRecord, copy.table.root, path, signal)) {
    for (const entry of entries) {
      if (after !== undefined && entry.name.compare(after) <= 0) continue;
      if (!page.add(entry)) return page.result(true);
    }
  }
  return page.result(false);
};

class Page {
  readonly #limit: number;
  readonly #entries: Browsed[] = [];
  #last: Buffer | undefined;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false when it is full. */
  add(entry: Entry): boolean {
    const browsed = browsedEntry(entry);
    this.#bytes += Buffer.byteLength(JSON.stringify(browsed)) + 1;
    if (this.#entries.length >= this.#limit || (this.#bytes > LIST_BYTES_MAX && this.#entries.length > 0))
      return false;
    this.#entries.push(browsed);
    this.#last = entry.name;
    return true;
  }

  result(hasMore: boolean): TaskResult<"browse"> {
    // Of the raw bytes: a name need not be UTF-8.
    const next = this.#last?.toString("base64url");
    return { entries: this.#entries, ...(hasMore && next !== undefined ? { next } : {}) };
  }
}

function browsedEntry(entry: Entry): Browsed {
  const { kind, mtimeSeconds, mtimeNanoseconds } = entry;
  return {
    name: entry.name.toString("utf8").slice(0, NAME_MAX),
    kind: kind === "file" || kind === "directory" || kind === "symlink" ? kind : "other",
    size: kind === "file" ? entry.size : 0,
    modifiedMs: Number(mtimeSeconds) * 1000 + Math.trunc(mtimeNanoseconds / 1e6),
  };
}
