/** `browse`: one page of a folder of a copy. */
import { isUtf8 } from "node:buffer";
import type { TaskResult } from "@holdfast/protocol";
import { type Entry, joinPath, listDirectory, openCopyReader, resolveCopy } from "@holdfast/repository";
import { LIST_BYTES_MAX } from "./bounded-results.ts";
import { bytesField, bytesOfPlace, entryFields } from "./copy-place.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

type Browsed = TaskResult<"browse">["entries"][number];

const NAME_MAX = 4096;

export const browse: TaskRunner<"browse"> = async (task, context) => {
  const { signal } = context;
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const copy = resolveCopy(await reader.listCopies(), task.copy);
  const path = bytesOfPlace(task);
  const after = task.after === undefined ? undefined : Buffer.from(task.after, "base64url");
  const page = new Page(task.limit, path);
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
  readonly #folder: Buffer;
  readonly #entries: Browsed[] = [];
  #last: Buffer | undefined;
  #bytes = 0;

  constructor(limit: number, folder: Buffer) {
    this.#limit = limit;
    this.#folder = folder;
  }

  /** @returns false when it is full. */
  add(entry: Entry): boolean {
    const browsed = browsedEntry(this.#folder, entry);
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

function browsedEntry(folder: Buffer, entry: Entry): Browsed {
  const name = entry.name.toString("utf8").slice(0, NAME_MAX);
  // Only its bytes name what is not UTF-8, or lies in a folder that is not.
  const path = joinPath(folder, entry.name);
  return { name, ...(isUtf8(path) ? {} : bytesField(path)), ...entryFields(entry) };
}
