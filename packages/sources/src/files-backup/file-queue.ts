/**
 * Files that are open and waiting to be read, and whatever comes behind them in the tree.
 *
 * The system is told of each file when it is opened (readahead) and reads a whole window of them at once while the thread
 * computes: on a cold cache one thread then waits for the disk once for many files instead of once for each.
 *
 * @module
 */
import type { Xattr } from "@holdfast/repository";
import { closeFile, type EntryMetadata, mayBeSparse } from "../posix/entry-metadata.ts";
import { negatedErrno } from "../posix/errno.ts";
import { adviseReading } from "../posix/extents.ts";
import type { AnswerBuilder } from "./answer-builder.ts";
import { isSameContent, type Stamp } from "./change-cache/stamp.ts";
import type { ThreadCounters } from "./counters.ts";
import { describeEntry } from "./entry-reading.ts";
import { EntryLooker } from "./entry-looker.ts";
import type { FileContentReader, ReadContent } from "./file-reading.ts";
import { childPath, type PathText, toText } from "./path-text.ts";
import { changedWhileRead, unreadable } from "./source-warnings.ts";

const WINDOW_FILES = 32;
const WINDOW_BYTES = 4 * 1024 * 1024;

export interface OpenFile {
  readonly fd: number;
  readonly directory: PathText;
  readonly name: Buffer;
  readonly metadata: EntryMetadata;
  readonly stamp: Stamp;
  readonly xattrs: readonly Xattr[];
  readonly isNew: boolean;
}

export class FileQueue {
  readonly #reader: FileContentReader | undefined;
  readonly #answer: AnswerBuilder;
  readonly #counters: ThreadCounters;
  readonly #looker = new EntryLooker();
  readonly #items: (OpenFile | (() => void))[] = [];
  #files = 0;
  #bytes = 0;
  #bytesRead = 0;

  constructor(reader: FileContentReader | undefined, answer: AnswerBuilder, counters: ThreadCounters) {
    this.#reader = reader;
    this.#answer = answer;
    this.#counters = counters;
  }

  /** Content bytes read so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** Runs `action` once everything before it is done. */
  whenReached(action: () => void): void {
    if (this.isEmpty) action();
    else this.#items.push(action);
  }

  /** Takes over an open file. */
  add(file: OpenFile): void {
    const { size } = file.metadata;
    adviseReading(file.fd, "willNeed", 0, Math.min(size, WINDOW_BYTES));
    this.#items.push(file);
    this.#files += 1;
    this.#bytes += size;
    while (this.#files > WINDOW_FILES || this.#bytes > WINDOW_BYTES) this.#finishNext();
  }

  /** Finishes everything. */
  drain(): void {
    while (!this.isEmpty) this.#finishNext();
  }

  /** Closes what is open, after a failure. */
  abandon(): void {
    for (const item of this.#items) if (typeof item !== "function") closeFile(item.fd);
    this.#items.length = 0;
  }

  #finishNext(): void {
    const item = this.#items.shift();
    if (item === undefined) return;
    if (typeof item === "function") {
      item();
      return;
    }
    this.#files -= 1;
    this.#bytes -= item.metadata.size;
    try {
      this.#finishFile(item);
    } finally {
      closeFile(item.fd);
    }
  }

  #finishFile(file: OpenFile): void {
    const { fd, directory, name, metadata } = file;
    const content = this.#read(file);
    if (content === undefined) return;
    const isSame =
      this.#looker.lookAtOpen(fd) === 0 &&
      isSameContent(file.stamp, this.#looker.stamp) &&
      content.size === metadata.size;
    const changed = !isSame;
    if (changed) this.#answer.warn(changedWhileRead(childPath(directory, toText(name))));
    this.#bytesRead += content.size;
    this.#counters.add(file.isNew ? "filesNew" : "filesChanged", 1);
    this.#counters.add("bytesRead", content.size);
    this.#counters.add("bytesDone", content.size);
    this.#answerWith(file, content, changed);
  }

  #answerWith(file: OpenFile, { size, content, segments }: ReadContent, changed: boolean): void {
    const { directory, name, metadata, stamp, xattrs } = file;
    const entry = { ...describeEntry(metadata, xattrs, changed), kind: "file", size } as const;
    if (content !== undefined) {
      this.#answer.entry(directory, { ...entry, name, content }, stamp);
      return;
    }
    const sparse = mayBeSparse(metadata);
    this.#answer.largeFile({ directory, name: toText(name), entry, stamp, sparse, content: segments });
  }

  #read({ fd, directory, name, metadata }: OpenFile): ReadContent | undefined {
    try {
      return this.#reader?.read(fd, metadata.size, mayBeSparse(metadata));
    } catch (error) {
      this.#answer.warn(unreadable(childPath(directory, toText(name)), negatedErrno(error)));
      return undefined;
    }
  }
}
