/**
 * The writer of a tree below a target folder.
 *
 * What a copy says is hostile input, and other users may write in the target at the same time. Hence: every entry is
 * named by an open folder and one checked name; no symbolic link below the target is ever followed; nothing that exists
 * is opened or written into; a finished entry takes its name in one step. Failures of single entries are told as
 * warnings. Calls are synchronous and made for worker threads: each thread opens the target for itself, and several may
 * write different entries of the same folders at once.
 *
 * A killed restore leaves, per thread, at most one file with the mode 01000 or a temporary one whose name begins with
 * `.holdfast-restore-`. Against loss of power call {@link TargetTree.sync} at the end.
 *
 * @module
 */
import { AppError, isAppError, makeFolderSync, type Randomness, systemRandomness } from "@holdfast/kernel";
import process from "node:process";
import type { EntryKind } from "../posix/entry-stat.ts";
import { currentPlatform } from "../platform/current-platform.ts";
import { errnoName, errnoText } from "../posix/errno.ts";
import type { DirectoryHandle, FileCalls } from "../posix/file-calls.ts";
import { fileCalls } from "../posix/system-calls.ts";
import { beginBigFile, type BigFile, discard, finishBigFile, writeContent, writeZeros } from "./big-file.ts";
import { displayBytes, nameProblem } from "./entry-name.ts";
import { FolderCache } from "./folder-cache.ts";
import { finishFolder, makeFolder } from "./folders.ts";
import { makeHardLink, makeSpecial, makeSymlink, type SpecialKind } from "./nodes.ts";
import {
  type EntryPlace,
  failedOutcome,
  isProblem,
  type Problem,
  type RestoreOutcome,
  type RestoreWarning,
  unsafe,
} from "./outcome.ts";
import { writeSmallFile } from "./small-file.ts";
import type { ExistingPolicy, OwnerPolicy, RestoreMetadata, TargetContext } from "./target-context.ts";

export const TEMPORARY_NAME_PREFIX = ".holdfast-restore-";
const FOLDER_HANDLES = 64;

export interface TargetOptions {
  readonly existing: ExistingPolicy;
  /** Default: `numbers` for root, `leave` for everybody else, who may not give files away. */
  readonly owners?: OwnerPolicy;
  /** How many folders are held open; at least 32. */
  readonly folderHandles?: number;
  readonly randomness?: Randomness;
  /** The system calls to use; default: the best ones of this machine. */
  readonly calls?: FileCalls;
}

/** Every method throws `ERR_TARGET` when the target is full or takes no writes, and nothing else. */
export interface TargetTree {
  /**
   * Makes a folder, merging with one that is there. After `kept-both` the folder's content belongs below the outcome's
   * name; after `skipped` and `failed` it has no place. Missing parents are made, with the mode 0700.
   */
  makeFolder(place: EntryPlace): RestoreOutcome;
  /** Sets a folder's metadata: after everything in it. An empty place is the target itself. */
  finishFolder(place: EntryPlace, metadata: RestoreMetadata): readonly RestoreWarning[];
  writeFile(place: EntryPlace, content: Uint8Array, metadata: RestoreMetadata): RestoreOutcome;
  /** Begins a file to be written in pieces; an outcome when it is skipped or cannot be made. */
  beginFile(place: EntryPlace, size: number): BigFile | RestoreOutcome;
  /** Any thread may write, at any offset. After a warning, or `ERR_TARGET`, the file is to be abandoned. */
  writeAt(file: BigFile, bytes: Uint8Array, offset: number): RestoreWarning | undefined;
  /** Allocates zeros. For a hole, write nothing. */
  writeZerosAt(file: BigFile, offset: number, length: number): RestoreWarning | undefined;
  /** Completes a file, in the thread that began it. */
  finishFile(file: BigFile, metadata: RestoreMetadata): RestoreOutcome;
  abandonFile(file: BigFile): void;
  makeSymlink(place: EntryPlace, target: Buffer, metadata: RestoreMetadata): RestoreOutcome;
  /** Another name for `source`, which must have been restored (and not skipped) with this kind. */
  makeHardLink(place: EntryPlace, source: EntryPlace, kind: EntryKind): RestoreOutcome;
  makeSpecial(
    place: EntryPlace,
    special: { readonly kind: SpecialKind; readonly major: number; readonly minor: number },
    metadata: RestoreMetadata,
  ): RestoreOutcome;
  /** Whether the target takes names for the same that differ in case only: tried with a folder that is removed again. */
  foldsNames(): boolean;
  /** Waits until what was written is on the disk; throws `ERR_TARGET` when some of it cannot be. */
  sync(): void;
  close(): void;
}

/** Tells the two results of {@link TargetTree.beginFile} apart. */
export function isBigFile(begun: BigFile | RestoreOutcome): begun is BigFile {
  return "fd" in begun;
}

/**
 * Opens the target and makes it where it is missing. Symbolic links in the path a person has given are followed.
 *
 * @throws {AppError} `ERR_TARGET` when it cannot be made or opened.
 */
export function openTarget(directory: string | Buffer, options: TargetOptions): TargetTree {
  const calls = options.calls ?? fileCalls();
  const path = Buffer.from(directory);
  const top = openTop(calls, path);
  const folders = new FolderCache(calls, top, options.folderHandles ?? FOLDER_HANDLES);
  const context: TargetContext = {
    calls,
    folders,
    existing: options.existing,
    owners: options.owners ?? (process.geteuid?.() === 0 ? "numbers" : "leave"),
    temporaryName: temporaryNames(options.randomness ?? systemRandomness),
  };
  return createTree(context, displayBytes(path));
}

function openTop(calls: FileCalls, path: Buffer): DirectoryHandle {
  const subject = displayBytes(path);
  const remedy = "Name a folder that this user may write to.";
  try {
    makeFolderSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("ERR_TARGET", `The target ${subject} cannot be made: ${reason}.`, {
      subject,
      remedy,
      cause,
    });
  }
  const top = calls.openTop(currentPlatform().paths.forCalls(path));
  if (typeof top !== "number") return top;
  const message = `The target ${subject} cannot be opened: ${errnoText(top)} (${errnoName(top)}).`;
  throw new AppError("ERR_TARGET", message, { subject, remedy });
}

/** Not to be foreseen, so that nobody can take them beforehand; a name that is taken is passed over anyway. */
function temporaryNames(randomness: Randomness): () => Buffer {
  const start = Buffer.from(randomness(new Uint8Array(8))).toString("hex");
  let count = 0;
  return () => {
    count += 1;
    return Buffer.from(`${TEMPORARY_NAME_PREFIX}${start}-${String(count)}`);
  };
}

function createTree(context: TargetContext, target: string): TargetTree {
  const { folders, calls } = context;
  const inFolder = (place: EntryPlace, act: (parent: DirectoryHandle) => RestoreOutcome): RestoreOutcome =>
    stopping(target, () => {
      const parent = openParent(context, place);
      return isProblem(parent) ? failedOutcome(place, parent) : act(parent);
    });
  return {
    makeFolder: (place) => inFolder(place, (parent) => makeFolder(context, parent, place)),
    finishFolder: (place, metadata) => stopping(target, () => finishFolder(context, place, metadata)),
    writeFile: (place, content, metadata) =>
      inFolder(place, (parent) => writeSmallFile(context, parent, place, content, metadata)),
    beginFile: (place, size) =>
      stopping(target, () => {
        const parent = openParent(context, place);
        return isProblem(parent) ? failedOutcome(place, parent) : beginBigFile(context, parent, place, size);
      }),
    writeAt: (file, bytes, offset) => stopping(target, () => writeContent(context, file, bytes, offset)),
    writeZerosAt: (file, offset, length) => stopping(target, () => writeZeros(context, file, offset, length)),
    finishFile: (file, metadata) =>
      stopping(target, () => {
        const parent = folders.open(file.place.folder);
        if (!isProblem(parent)) return finishBigFile(context, parent, file, metadata);
        calls.closeFile(file.fd);
        return failedOutcome(file.place, parent);
      }),
    abandonFile: (file) => {
      const parent = folders.open(file.place.folder);
      if (isProblem(parent)) calls.closeFile(file.fd);
      else discard(context, parent, file);
    },
    makeSymlink: (place, linkTarget, metadata) =>
      inFolder(place, (parent) => makeSymlink(context, parent, place, linkTarget, metadata)),
    makeHardLink: (place, source, kind) =>
      inFolder(place, () => {
        const sourceParent = openParent(context, source);
        // Asked for again: the way to the other folder may have pushed it out.
        const parent = openParent(context, place);
        if (isProblem(sourceParent)) return failedOutcome(place, sourceParent);
        if (isProblem(parent)) return failedOutcome(place, parent);
        return makeHardLink(context, { source: sourceParent, parent }, place, source, kind);
      }),
    makeSpecial: (place, special, metadata) =>
      inFolder(place, (parent) => makeSpecial(context, parent, place, special, metadata)),
    foldsNames: () => foldsNames(context),
    sync: () => {
      const synced = calls.syncFileSystem(folders.top);
      if (synced < 0)
        throw stop(target, `cannot be brought to the disk: ${errnoText(synced)} (${errnoName(synced)})`);
    },
    close: () => {
      folders.close();
    },
  };
}

function foldsNames({ calls, folders, temporaryName }: TargetContext): boolean {
  const name = temporaryName();
  if (calls.makeDirectory(folders.top, name, 0o700) < 0) return false;
  const upper = Buffer.from(name.toString("latin1").toUpperCase(), "latin1");
  const isFound = typeof calls.stat(folders.top, upper) !== "number";
  calls.removeDirectory(folders.top, name);
  return isFound;
}

function openParent(context: TargetContext, place: EntryPlace): DirectoryHandle | Problem {
  const problem = nameProblem(place.name);
  return problem === undefined ? context.folders.open(place.folder) : unsafe(problem);
}

/** Names the target in the error that ends a restore. */
function stopping<T>(target: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!isAppError(error, "ERR_TARGET")) throw error;
    throw stop(target, error.message, error);
  }
}

function stop(target: string, what: string, cause?: unknown): AppError {
  return new AppError("ERR_TARGET", `The target ${target} ${what}.`, {
    subject: target,
    remedy: "Make room, then restore again with `--existing skip`: what is complete is not written again.",
    cause,
  });
}
