/**
 * The whole backup as a list in the order of the tree: what is done and waits to be written down, what is being done, what
 * is still to do. Answers replace their task in the list, so that the order never has to be restored by sorting.
 *
 * Tasks are given out from the front. How far they run ahead of the first one that is not done is bounded by the bytes of
 * the answers that wait behind it.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { EncodedEntries } from "@holdfast/repository";
import type {
  DirectoryRun,
  LargeFile,
  PieceMessage,
  PieceTask,
  SliceTask,
  Step,
  Task,
  WalkedMessage,
  WalkTask,
} from "./messages.ts";
import { joinNames, splitNames } from "./path-text.ts";
import { LargeFilePieces } from "./large-file-pieces.ts";

/** Finished answers that wait for an earlier one. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
/** Directories of one task at most. */
const RUN_NAMES_MAX = 64;
/** What a large file costs in memory while it waits. */
const LARGE_FILE_BYTES = 1024;

type BatchStep = Extract<Step, { readonly kind: "section" | "cache" }>;

/** Finished entries: the sections of `steps` lie in `batch` from `from` on. */
export interface DoneEntries {
  readonly kind: "entries";
  readonly batch: EncodedEntries;
  readonly from: number;
  readonly steps: readonly BatchStep[];
  /** Bytes of memory. */
  readonly held: number;
}

export interface DoneFile {
  readonly kind: "file";
  readonly pieces: LargeFilePieces;
}

interface RunNode {
  readonly kind: "run";
  readonly run: DirectoryRun;
  names: readonly string[] | undefined;
  next: number;
}

interface SliceNode {
  readonly kind: "slice";
  readonly names: string;
  readonly group: Group;
  readonly part: GroupPart;
}

/** The directories found in one slice. */
interface GroupPart {
  found: readonly DirectoryRun[];
}

/** A directory that several tasks read; what is below it comes behind the last of them. */
interface Group {
  readonly directory: string;
  readonly rootDevice: number;
  readonly parts: GroupPart[];
  pending: number;
}

type Content =
  | RunNode
  | SliceNode
  | { readonly kind: "running" }
  | { readonly kind: "group"; readonly group: Group }
  | DoneEntries
  | DoneFile;

interface Node {
  readonly content: Content;
  previous: Node | undefined;
  next: Node | undefined;
}

export class TaskList {
  readonly #readsContent: boolean;
  #head: Node | undefined;
  #held = 0;
  #nextId = 1;
  readonly #running = new Map<number, { readonly node: Node; readonly slice: SliceNode | undefined }>();
  readonly #pieces = new Map<number, LargeFilePieces>();

  /** @param readsContent false for a dry run. */
  constructor(readsContent: boolean) {
    this.#readsContent = readsContent;
    const run = { parent: "", names: "", rootDevice: -1 };
    this.#head = { content: runNode(run), previous: undefined, next: undefined };
  }

  /** Everything has been taken. */
  get isEmpty(): boolean {
    return this.#head === undefined;
  }

  /** The next task, or undefined while none is to be begun. */
  nextTask(workers: number): Task | undefined {
    for (let node = this.#head; node !== undefined; node = node.next) {
      const { content } = node;
      if (this.#held > HELD_BYTES_MAX && node !== this.#head) return undefined;
      if (content.kind === "run") return this.#beginRun(node, content, workers);
      if (content.kind === "slice") return this.#beginSlice(node, content);
      if (content.kind === "file") {
        const task = this.#beginPiece(content.pieces);
        if (task !== undefined) return task;
      }
    }
    return undefined;
  }

  /** Puts the answer in the place of its task. */
  complete(message: WalkedMessage): void {
    const running = this.#running.get(message.id);
    assert(running !== undefined);
    this.#running.delete(message.id);
    const contents = this.#contentsOf(message, running.slice);
    for (const content of contents) this.#insertBefore(running.node, content);
    this.#remove(running.node);
    this.#openGroups();
  }

  /** The file that the piece belongs to. */
  completePiece(message: PieceMessage): LargeFilePieces {
    const pieces = this.#pieces.get(message.id);
    assert(pieces !== undefined);
    this.#pieces.delete(message.id);
    pieces.complete(message);
    return pieces;
  }

  /** The first part of the tree, once it is done. */
  takeDone(): DoneEntries | DoneFile | undefined {
    const head = this.#head;
    if (head === undefined) return undefined;
    const { content } = head;
    if (content.kind === "entries") {
      this.#held -= content.held;
      this.#remove(head);
      return content;
    }
    if (content.kind === "file" && content.pieces.isDone) {
      this.#held -= LARGE_FILE_BYTES;
      this.#remove(head);
      return content;
    }
    return undefined;
  }

  #beginRun(node: Node, content: RunNode, workers: number): WalkTask {
    content.names ??= splitNames(content.run.names);
    const left = content.names.length - content.next;
    const count = Math.max(1, Math.min(RUN_NAMES_MAX, Math.ceil(left / (workers * 2))));
    const names = joinNames(content.names.slice(content.next, content.next + count));
    content.next += count;
    const running = this.#insertBefore(node, { kind: "running" });
    if (content.next >= content.names.length) this.#remove(node);
    const id = this.#begin(running, undefined);
    return { kind: "walk", id, run: { ...content.run, names } };
  }

  #beginSlice(node: Node, content: SliceNode): SliceTask {
    const running = this.#insertBefore(node, { kind: "running" });
    this.#remove(node);
    const id = this.#begin(running, content);
    const { directory, rootDevice } = content.group;
    return { kind: "slice", id, directory, names: content.names, rootDevice };
  }

  #beginPiece(pieces: LargeFilePieces): PieceTask | undefined {
    const piece = pieces.begin(this.#nextId);
    if (piece === undefined) return undefined;
    this.#pieces.set(this.#nextId, pieces);
    this.#nextId += 1;
    return piece;
  }

  #begin(node: Node, slice: SliceNode | undefined): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#running.set(id, { node, slice });
    return id;
  }

  #contentsOf(message: WalkedMessage, slice: SliceNode | undefined): Content[] {
    const contents: Content[] = [];
    const { batch } = message;
    let steps: BatchStep[] = [];
    let from = 0;
    let to = 0;
    const closeEntries = (): void => {
      if (steps.length > 0)
        contents.push({ kind: "entries", batch, from, steps, held: heldBytes(batch, from, to) });
      steps = [];
      from = to;
    };
    for (const step of message.steps) {
      if (step.kind === "section" || step.kind === "cache") {
        steps.push(step);
        if (step.kind === "section") to = step.to;
        continue;
      }
      closeEntries();
      if (step.kind === "run") contents.push(runNode(step.run));
      else if (step.kind === "file") contents.push(...this.#fileContent(step.file));
      else contents.push(...restContents(step, slice));
    }
    closeEntries();
    for (const content of contents) {
      if (content.kind === "entries") this.#held += content.held;
      if (content.kind === "file") this.#held += LARGE_FILE_BYTES;
    }
    return contents;
  }

  #fileContent(file: LargeFile): Content[] {
    return this.#readsContent ? [{ kind: "file", pieces: new LargeFilePieces(file) }] : [];
  }

  /** A directory whose entries are all done: now what lies below it is to be visited. */
  #openGroups(): void {
    for (let node = this.#head; node !== undefined; node = node.next) {
      const { content } = node;
      if (content.kind !== "group" || content.group.pending > 0) continue;
      for (const part of content.group.parts) {
        for (const run of part.found) this.#insertBefore(node, runNode(run));
      }
      this.#remove(node);
    }
  }

  #insertBefore(node: Node, content: Content): Node {
    const inserted: Node = { content, previous: node.previous, next: node };
    if (node.previous === undefined) this.#head = inserted;
    else node.previous.next = inserted;
    node.previous = inserted;
    return inserted;
  }

  #remove(node: Node): void {
    if (node.previous === undefined) this.#head = node.next;
    else node.previous.next = node.next;
    if (node.next !== undefined) node.next.previous = node.previous;
  }
}

function runNode(run: DirectoryRun): RunNode {
  return { kind: "run", run, names: undefined, next: 0 };
}

/** The slices of a directory, and, when this is the first answer about it, what comes behind all of them. */
function restContents(
  step: Extract<Step, { readonly kind: "rest" }>,
  slice: SliceNode | undefined,
): Content[] {
  const { directory, rootDevice, slices, found } = step;
  const group = slice?.group ?? { directory, rootDevice, parts: [], pending: 0 };
  let place: number;
  if (slice === undefined) {
    group.parts.push({ found });
    place = group.parts.length;
  } else {
    slice.part.found = found;
    group.pending -= 1;
    place = group.parts.indexOf(slice.part) + 1;
  }
  const contents: Content[] = slices.map((names) => ({ kind: "slice", names, group, part: { found: [] } }));
  const parts = contents.flatMap((content) => (content.kind === "slice" ? [content.part] : []));
  group.parts.splice(place, 0, ...parts);
  group.pending += slices.length;
  if (slice === undefined) contents.push({ kind: "group", group });
  return contents;
}

function heldBytes(batch: EncodedEntries, from: number, to: number): number {
  const start = from === 0 ? 0 : (batch.ends[from - 1] ?? 0);
  const refStart = from === 0 ? 0 : (batch.refEnds[from - 1] ?? 0);
  return (batch.ends[to - 1] ?? start) - start + ((batch.refEnds[to - 1] ?? refStart) - refStart) * 32 + 256;
}
