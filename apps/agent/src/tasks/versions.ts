/** `versions`: what one path was in each copy, and what changed from one to the next. */
import type { TaskResult } from "@holdfast/protocol";
import {
  type Copy,
  compareEntries,
  type Entry,
  keepingNodes,
  lookup,
  openCopyReader,
  resolveCopy,
} from "@holdfast/repository";
import { bytesOfPlace, entryFields } from "./copy-place.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

type Version = TaskResult<"versions">["versions"][number];

export const versions: TaskRunner<"versions"> = async (task, context) => {
  const { signal } = context;
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  using reader = await openCopyReader(repository, { signal });
  const list = await reader.listCopies();
  const copies = task.copies.map((id) => resolveCopy(list, id));
  const readRecord = keepingNodes(reader.readRecord);
  const path = bytesOfPlace(task);
  const found: Version[] = [];
  let before: Entry | undefined;
  for (const [index, copy] of copies.entries()) {
    signal.throwIfAborted();
    const entry = await lookup(readRecord, copy.table.root, path);
    found.push(versionOf(copy, before, entry));
    before = entry;
    context.progress({ files: index + 1, filesTotal: copies.length });
  }
  return { versions: found.toReversed() };
};

function versionOf({ id, table }: Copy, before: Entry | undefined, entry: Entry | undefined): Version {
  const common = { copy: id, time: table.timeMs };
  if (entry === undefined) return { ...common, change: before === undefined ? "absent" : "removed" };
  const change = before === undefined ? "added" : compareEntries(before, entry);
  return { ...common, change, ...entryFields(entry) };
}
