/**
 * Open folders of the target, the most recently used ones.
 *
 * Every folder is reached from the target's own descriptor, one name at a time, never following a symbolic link: a link
 * that the copy or another user has put anywhere below the target ends the way there. Paths may be longer than the
 * 4,096 bytes a single call takes.
 *
 * A folder that someone moves elsewhere while it is held open takes with it what is written into it; nobody can do that
 * who could not have put the files there himself.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle, FileCalls } from "../posix/file-calls.ts";
import { splitFolder } from "./entry-name.ts";
import { callProblem, type Problem, unsafe } from "./outcome.ts";

/** At most so many folders of one way are kept, so that a deep way does not push out everything else. */
const KEPT_PER_WAY = 8;
const CAPACITY_MIN = 4 * KEPT_PER_WAY;
const SLASH = 0x2f;
/** Only the owner may look into a folder that is not finished. */
export const UNFINISHED_FOLDER_MODE = 0o700;

interface CachedFolder {
  readonly key: string;
  readonly handle: DirectoryHandle;
}

export class FolderCache {
  readonly #calls: FileCalls;
  readonly #top: DirectoryHandle;
  readonly #capacity: number;
  /** From the least to the most recently used. */
  readonly #folders = new Map<string, DirectoryHandle>();
  #last: { readonly folder: Buffer; readonly handle: DirectoryHandle } | undefined;

  constructor(calls: FileCalls, top: DirectoryHandle, capacity: number) {
    this.#calls = calls;
    this.#top = top;
    this.#capacity = Math.max(capacity, CAPACITY_MIN);
  }

  get top(): DirectoryHandle {
    return this.#top;
  }

  /**
   * The open folder, made with its parents where it is missing. Valid until two other
   * folders were asked for at least; never to be closed by the caller.
   */
  open(folder: Buffer): DirectoryHandle | Problem {
    if (folder.length === 0) return this.#top;
    if (this.#last?.folder.equals(folder) === true) return this.#last.handle;
    const key = folder.toString("latin1");
    const handle = this.#recall(key) ?? this.#walk(folder);
    // The caller may reuse its buffer for the next path.
    if ("fd" in handle) this.#last = { folder: Buffer.from(folder), handle };
    return handle;
  }

  /** Forgets a folder that is no more, and everything below it. */
  forget(folder: Buffer): void {
    const key = folder.toString("latin1");
    for (const known of this.#folders.keys()) {
      if (known === key || known.startsWith(`${key}/`)) this.#drop(known);
    }
  }

  close(): void {
    for (const key of this.#folders.keys()) this.#drop(key);
    this.#calls.closeDirectory(this.#top);
  }

  #recall(key: string): DirectoryHandle | undefined {
    const handle = this.#folders.get(key);
    if (handle === undefined) return undefined;
    this.#folders.delete(key);
    this.#folders.set(key, handle);
    return handle;
  }

  #walk(folder: Buffer): DirectoryHandle | Problem {
    const { names, problem } = splitFolder(folder);
    if (problem !== undefined) return unsafe(problem);
    let { depth, handle } = this.#nearest(folder, names.length);
    let end = depth === 0 ? 0 : endOfComponent(names, depth);
    let temporary: DirectoryHandle | undefined;
    while (depth < names.length) {
      const name = names[depth];
      assert(name !== undefined);
      const next = this.#step(handle, name);
      if (temporary !== undefined) this.#calls.closeDirectory(temporary);
      temporary = undefined;
      if (!("fd" in next)) return next;
      depth += 1;
      end += name.length + (depth === 1 ? 0 : 1);
      handle = next;
      if (names.length - depth < KEPT_PER_WAY) this.#keep({ key: folder.toString("latin1", 0, end), handle });
      else temporary = handle;
    }
    return handle;
  }

  /** The deepest folder on the way that is open already. */
  #nearest(folder: Buffer, depth: number): { depth: number; handle: DirectoryHandle } {
    let end = folder.lastIndexOf(SLASH);
    let left = depth - 1;
    while (end > 0) {
      const handle = this.#recall(folder.toString("latin1", 0, end));
      if (handle !== undefined) return { depth: left, handle };
      end = folder.lastIndexOf(SLASH, end - 1);
      left -= 1;
    }
    return { depth: 0, handle: this.#top };
  }

  #step(parent: DirectoryHandle, name: Buffer): DirectoryHandle | Problem {
    let next = this.#calls.openDirectory(parent, name);
    if (next === -ERRNO.ENOENT) {
      const made = this.#calls.makeDirectory(parent, name, UNFINISHED_FOLDER_MODE);
      // EEXIST: another thread was faster, or someone planted a link, which the next open refuses.
      if (made < 0 && made !== -ERRNO.EEXIST) return callProblem(made, "its folder cannot be made");
      next = this.#calls.openDirectory(parent, name);
    }
    if (typeof next !== "number") return next;
    if (next === -ERRNO.ELOOP || next === -ERRNO.ENOTDIR) {
      return unsafe("a symbolic link or something else stands where its folder should be");
    }
    return callProblem(next, "its folder cannot be opened");
  }

  #keep(folder: CachedFolder): void {
    this.#folders.set(folder.key, folder.handle);
    if (this.#folders.size <= this.#capacity) return;
    const oldest = this.#folders.keys().next();
    if (oldest.done !== true) this.#drop(oldest.value);
  }

  #drop(key: string): void {
    const handle = this.#folders.get(key);
    if (handle === undefined) return;
    if (this.#last?.handle === handle) this.#last = undefined;
    this.#folders.delete(key);
    this.#calls.closeDirectory(handle);
  }
}

/** Length of the path of the first `depth` names. */
function endOfComponent(names: readonly Buffer[], depth: number): number {
  let end = depth - 1;
  for (let index = 0; index < depth; index += 1) end += names[index]?.length ?? 0;
  return end;
}
