/**
 * Walks a part of the tree in a worker: looks at every entry, copies what is as it was from the change cache, reads the rest.
 *
 * A walk goes depth first, in the order of the tree, and ends when it has done enough for one task, or when other workers
 * have nothing to do; what is left goes back as steps of the answer.
 *
 * @module
 */
import { type DirectoryListing, readDirectory } from "../posix/directory.ts";
import { closeFile, type EntryMetadata, mayBeSparse, openForReading } from "../posix/entry-metadata.ts";
import type { EntryKind } from "../posix/entry-stat.ts";
import { fileCalls } from "../posix/system-calls.ts";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { currentPlatform } from "../platform/current-platform.ts";
import { isAppError } from "@holdfast/kernel";
import type { Xattr } from "@holdfast/repository";
import { type AskedPath, findAsked } from "./asked-paths.ts";
import { type CachedRow, fileBytesOfRow, refsOf } from "./change-cache/rows.ts";
import type { Stamp } from "./change-cache/stamp.ts";
import type { DirectoryChain } from "./directory-chain.ts";
import { describeEntry, entryWithoutContent, fittingXattrs } from "./entry-reading.ts";
import { CONTROL, type DirectoryRun, type SliceTask, type WalkTask } from "./messages.ts";
import {
  absolutePath,
  childPath,
  joinNames,
  type PathText,
  splitNames,
  toBytes,
  toText,
} from "./path-text.ts";
import { RunCollector } from "./run-collector.ts";
import { attributesMissing, folderUnreadable, unreadable } from "./source-warnings.ts";
import { lookBehindLink } from "./look-behind-link.ts";
import type { WalkContext } from "./walk-context.ts";

/** Files from this size on are read in pieces that any worker takes. */
export const LARGE_BYTES_MIN = 8 * 1024 * 1024;
/** A task ends when it has one of these. */
const TASK_ENTRIES = 2048;
const TASK_ANSWER_BYTES = 1024 * 1024;
const TASK_BYTES_READ = 16 * 1024 * 1024;
/** Below, ending a task early for others costs more than it gives. */
const TASK_ENTRIES_MIN = 32;
const SLICE_ENTRIES = 4096;

/** Names of one directory in order. */
interface NameList {
  readonly count: number;
  name(index: number): Buffer;
}

/** A run that is being visited. */
interface OpenRun {
  readonly parent: PathText;
  readonly rootDevice: number;
  readonly names: readonly PathText[];
  next: number;
}

/** The directory whose entries are being read. */
interface Place {
  readonly path: PathText;
  readonly handle: DirectoryHandle;
  readonly rootDevice: number;
  readonly found: RunCollector;
}

interface FoundEntry {
  readonly name: Buffer;
  readonly metadata: EntryMetadata;
  readonly stamp: Stamp;
}

const ABOVE_ASKED = -1;

export class TreeWalker {
  readonly #context: WalkContext;
  readonly #chain: DirectoryChain;
  #entries = 0;
  #bytesReadBefore = 0;

  constructor(context: WalkContext, chain: DirectoryChain) {
    this.#context = context;
    this.#chain = chain;
  }

  walk(task: WalkTask): void {
    this.#beginTask();
    const stack: OpenRun[] = [openRun(task.run)];
    for (let run = stack.at(-1); run !== undefined; run = stack.at(-1)) {
      const name = run.names[run.next];
      if (name === undefined) {
        stack.pop();
        continue;
      }
      if (this.#hasDoneEnough()) break;
      run.next += 1;
      stack.push(...this.#visit(childPath(run.parent, name), run.rootDevice).map(openRun).toReversed());
    }
    const { files, answer } = this.#context;
    files.drain();
    for (const run of stack.toReversed()) if (run.next < run.names.length) answer.run(restOf(run));
  }

  /** Some entries of one directory; what is found below waits until all of them are done. */
  slice(task: SliceTask): void {
    this.#beginTask();
    const { files, answer } = this.#context;
    const { directory, rootDevice } = task;
    const found = new RunCollector(directory);
    const names = splitNames(task.names);
    const handle = this.#chain.enter(directory);
    let slices: readonly string[] = [];
    if (typeof handle === "number") answer.warn(unreadable(directory, handle));
    else {
      this.#context.cached?.begin(directory, names[0] ?? "");
      const list = { count: names.length, name: (index: number) => toBytes(names[index] ?? "") };
      slices = this.#readEntries({ path: directory, handle, rootDevice, found }, list);
    }
    files.drain();
    answer.rest({ kind: "rest", directory, rootDevice, slices, found: found.take() });
  }

  #beginTask(): void {
    this.#entries = 0;
    this.#bytesReadBefore = this.#context.files.bytesRead;
  }

  #hasDoneEnough(): boolean {
    const { answer, files, control } = this.#context;
    if (this.#entries < TASK_ENTRIES_MIN && files.bytesRead - this.#bytesReadBefore < TASK_BYTES_READ)
      return false;
    return (
      this.#entries >= TASK_ENTRIES ||
      answer.length >= TASK_ANSWER_BYTES ||
      files.bytesRead - this.#bytesReadBefore >= TASK_BYTES_READ ||
      Atomics.load(control, CONTROL.wanted) > 0
    );
  }

  /** Reads the entries of one directory and returns the directories in it, unless these have to wait. */
  #visit(path: PathText, rootDevice: number): readonly DirectoryRun[] {
    const { answer, files, cached } = this.#context;
    const handle = this.#chain.enter(path);
    if (typeof handle === "number") {
      answer.warn(unreadable(path, handle));
      return [];
    }
    const list = rootDevice === ABOVE_ASKED ? this.#askedIn(path) : this.#list(path, handle);
    if (list === undefined) return [];
    cached?.begin(path, "");
    const found = new RunCollector(path);
    const slices = this.#readEntries({ path, handle, rootDevice, found }, list);
    if (slices.length === 0) return found.take();
    files.whenReached(() => {
      answer.rest({ kind: "rest", directory: path, rootDevice, slices, found: found.take() });
    });
    return [];
  }

  #list(path: PathText, handle: DirectoryHandle): DirectoryListing | undefined {
    try {
      return readDirectory(handle);
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#context.answer.warn(folderUnreadable(path, error));
      return undefined;
    }
  }

  #askedIn(path: PathText): NameList {
    const names = [...(findAsked(this.#context.asked, path)?.children.keys() ?? [])].map(toBytes);
    names.sort((one, other) => one.compare(other));
    return { count: names.length, name: (index) => names[index] ?? Buffer.alloc(0) };
  }

  /** Returns the names that are left for other tasks. */
  #readEntries(place: Place, list: NameList): readonly string[] {
    for (let index = 0; index < list.count; index += 1) {
      if (index > 0 && index % 32 === 0 && this.#isToBeSplit(place, list, index))
        return slicesOf(list, index);
      this.#readEntry(place, list.name(index));
      this.#entries += 1;
    }
    return [];
  }

  #isToBeSplit({ rootDevice }: Place, list: NameList, index: number): boolean {
    if (rootDevice === ABOVE_ASKED) return false;
    if (index >= SLICE_ENTRIES) return true;
    const { files, control } = this.#context;
    if (files.bytesRead - this.#bytesReadBefore >= 4 * TASK_BYTES_READ) return true;
    return list.count - index >= 256 && Atomics.load(control, CONTROL.wanted) > 0;
  }

  #readEntry(place: Place, name: Buffer): void {
    const { selection, asked, counters, looker } = this.#context;
    if (!this.#look(place, name)) return;
    const { kind } = looker;
    const isAbove = place.rootDevice === ABOVE_ASKED;
    const isUnwanted =
      !isAbove &&
      !selection.everything &&
      !selection.wants(absolutePath(childPath(place.path, toText(name))), kind);
    if (kind === "directory") {
      const node = findAsked(asked, childPath(place.path, toText(name)));
      if (isUnwanted && node === undefined) return;
      const rootDevice = this.#rootDeviceOf(place, node, isUnwanted);
      if (rootDevice !== undefined) place.found.add(toText(name), rootDevice);
      counters.add("directories", 1);
    } else {
      if (isUnwanted) return;
      if (kind !== "file") counters.add("others", 1);
    }
    this.#keepEntry(place, name, kind);
  }

  /** False, and a warning, when there is nothing to be seen. */
  #look(place: Place, name: Buffer): boolean {
    const { asked, places, looker, answer } = this.#context;
    const path = (): PathText => childPath(place.path, toText(name));
    let status = looker.look(place.handle, name);
    const isLinkOnTheWay =
      status === 0 &&
      place.rootDevice === ABOVE_ASKED &&
      looker.kind === "symlink" &&
      findAsked(asked, path())?.asked === false;
    if (isLinkOnTheWay) status = lookBehindLink(looker, places, path());
    if (status < 0) answer.warn(unreadable(path(), status));
    return status === 0;
  }

  /** The device that decides about entering, or undefined when the directory is not entered. */
  #rootDeviceOf(place: Place, node: AskedPath | undefined, isUnwanted: boolean): number | undefined {
    const { selection, skipped, looker } = this.#context;
    if (skipped.size > 0 && skipped.has(`${String(looker.device)}:${String(looker.inode)}`)) return undefined;
    if (node?.asked === true) return looker.device;
    if (place.rootDevice === ABOVE_ASKED || isUnwanted) return ABOVE_ASKED;
    return selection.enters(looker.device, place.rootDevice) ? place.rootDevice : undefined;
  }

  #keepEntry(place: Place, name: Buffer, kind: EntryKind): void {
    const { cached, store, answer, files, counters, looker } = this.#context;
    const row = cached?.find(name, looker.stamp) ?? "missing";
    if (typeof row === "object" && (store === undefined || store.hasAll(refsOf(row)))) {
      if (kind === "file") {
        counters.add("filesUnchanged", 1);
        counters.add("bytesDone", fileBytesOfRow(row));
      }
      if (files.isEmpty) answer.cached(place.path, name, row);
      else this.#keepCachedLater(place.path, name, row);
      return;
    }
    const entry = { name, metadata: looker.metadata(), stamp: looker.stamp.slice() };
    if (kind === "file") this.#readFile(place, entry, row === "missing");
    else this.#keepOther(place, entry);
  }

  #keepCachedLater(path: PathText, name: Buffer, row: CachedRow): void {
    const { answer, files } = this.#context;
    files.whenReached(() => {
      answer.cached(path, name, row);
    });
  }

  #keepOther(place: Place, { name, metadata, stamp }: FoundEntry): void {
    const { answer, files, dryRun } = this.#context;
    if (dryRun) return;
    const target = metadata.kind === "symlink" ? fileCalls().readLink(place.handle, name) : undefined;
    if (typeof target === "number") {
      answer.warn(unreadable(childPath(place.path, toText(name)), target));
      return;
    }
    const xattrs = this.#xattrs(place, name, undefined);
    const entry = entryWithoutContent(name, { ...metadata, linkTarget: target }, xattrs);
    if (entry === undefined) return;
    files.whenReached(() => {
      answer.entry(place.path, entry, stamp);
    });
  }

  #readFile(place: Place, { name, metadata, stamp }: FoundEntry, isNew: boolean): void {
    const { files, answer, counters, dryRun } = this.#context;
    const { size } = metadata;
    const directory = place.path;
    if (dryRun) {
      counters.add(isNew ? "filesNew" : "filesChanged", 1);
      counters.add("bytesDone", size);
      counters.add("bytesAdded", size);
      return;
    }
    const fd = size === 0 ? undefined : openForReading(place.handle, name);
    if (fd !== undefined && fd < 0) {
      answer.warn(unreadable(childPath(directory, toText(name)), fd));
      return;
    }
    const xattrs = this.#xattrs(place, name, fd);
    if (fd !== undefined && size < LARGE_BYTES_MIN) {
      files.add({ fd, directory, name, metadata, stamp, xattrs, isNew });
      return;
    }
    if (fd !== undefined) closeFile(fd);
    counters.add(isNew ? "filesNew" : "filesChanged", 1);
    const entry = { ...describeEntry(metadata, xattrs, false), kind: "file", size } as const;
    files.whenReached(() => {
      if (size === 0) answer.entry(directory, { ...entry, name, content: { form: "empty" } }, stamp);
      else {
        const sparse = mayBeSparse(metadata);
        answer.largeFile({ directory, name: toText(name), entry, stamp, sparse, content: undefined });
      }
    });
  }

  #xattrs(place: Place, name: Buffer, fd: number | undefined): readonly Xattr[] {
    const reading = currentPlatform().attributes.read(place.handle, name, fd);
    const { xattrs, complete } = fittingXattrs(reading);
    const isGone = reading.failures.some(({ errno }) => errno === -ERRNO.ENOENT);
    if (!complete && !isGone)
      this.#context.answer.warn(attributesMissing(childPath(place.path, toText(name))));
    return xattrs;
  }
}

function openRun(run: DirectoryRun): OpenRun {
  return { parent: run.parent, rootDevice: run.rootDevice, names: splitNames(run.names), next: 0 };
}

function restOf({ parent, rootDevice, names, next }: OpenRun): DirectoryRun {
  return { parent, rootDevice, names: joinNames(names.slice(next)) };
}

function slicesOf(list: NameList, from: number): readonly string[] {
  const slices: string[] = [];
  for (let start = from; start < list.count; start += SLICE_ENTRIES) {
    const end = Math.min(list.count, start + SLICE_ENTRIES);
    slices.push(
      joinNames(Array.from({ length: end - start }, (_, index) => toText(list.name(start + index)))),
    );
  }
  return slices;
}
