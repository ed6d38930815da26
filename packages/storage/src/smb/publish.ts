/**
 * Giving a finished temporary file its final name on an SMB share, only if nothing has that name.
 *
 * SMB2 has a rename that refuses to replace (MS-SMB2 2.2.39 with FileRenameInformation, ReplaceIfExists 0), and libsmbclient
 * asks for it: but when the server refuses, `SMBC_rename_ctx` deletes what has the name and renames again. Nothing else in
 * its interface makes a name without replacing, hard links included. So a rename is only asked for while
 *
 * 1. the object's lock file, `_locks/<first byte of the SHA-256 of the name>`, is open with a share mode that lets nobody
 *    else open it (MS-SMB2 2.2.13, ShareAccess 0). The server closes it when the connection ends, so that a killed writer
 *    blocks nobody. Lock files are never deleted: what a server does when one client deletes a file while another opens it
 *    is nothing to build a lock on (Samba answered with ENOENT). They have a folder of their own, since `tmp/` is swept;
 * 2. and nothing had the final name after the lock was won;
 * 3. all over one connection that the library cannot replace by another ({@link SmbLibrary.forbidReconnecting}). The
 *    deletion is sent by a client that has just received an answer on the connection that holds the lock; a writer that
 *    lost its connection, and with it its lock, cannot send it any more. A first rename that is still on its way then
 *    replaces nothing.
 *
 * Before the first rename of a connection the driver convinces itself that the server enforces share modes.
 *
 * What this cannot exclude: another program than this driver (also Holdfast itself by a mounted path) that makes a file of
 * the very same name in the moment between 2 and the rename. Object names are random or made of their content's digest,
 * except for those of a new repository.
 *
 * @module
 */
import { constants } from "node:fs";
import type { SmbLibrary } from "./library.ts";
import { CallError } from "./native-values.ts";

/** A lock is held for a few round trips. */
const LOCK_ATTEMPTS = 400;
const LOCK_WAIT_MS = 25;
const LOCK_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;

export class ShareModeError extends Error {}

export class LockError extends Error {}

export interface Publication {
  readonly temporary: string;
  readonly final: string;
  readonly lock: string;
}

export class Publisher {
  readonly #library: SmbLibrary;
  #proven = false;

  constructor(library: SmbLibrary) {
    this.#library = library;
  }

  /** The temporary file may be left behind; the caller removes it. All three are URLs for the library. */
  publish({ temporary, final, lock }: Publication): "created" | "exists" {
    const held = this.#acquire(lock);
    try {
      this.#prove(lock);
      if (this.isTaken(final)) return "exists";
      this.#library.replacingRename(temporary, final);
      // Where the server writes through, this lengthens a file and so commits what came before it: the rename.
      this.#library.write(held, Buffer.from("\n"));
      return "created";
    } finally {
      this.#release(held);
    }
  }

  isTaken(url: string): boolean {
    try {
      this.#library.stat(url);
      return true;
    } catch (error) {
      if (error instanceof CallError && (error.errno === "ENOENT" || error.errno === "ENOTDIR")) return false;
      throw error;
    }
  }

  #acquire(lock: string): number {
    for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt += 1) {
      try {
        return this.#library.open(lock, LOCK_FLAGS, true);
      } catch (error) {
        if (!(error instanceof CallError) || error.errno !== "EBUSY") throw error;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
    }
    throw new LockError("Another writer keeps the lock.");
  }

  /** @throws ShareModeError when a second handle to the lock can be had. */
  #prove(lock: string): void {
    if (this.#proven) return;
    try {
      this.#library.close(this.#library.open(lock, constants.O_WRONLY, true));
    } catch (error) {
      if (!(error instanceof CallError) || error.errno !== "EBUSY") throw error;
      this.#proven = true;
      return;
    }
    throw new ShareModeError("The server does not enforce share modes.");
  }

  #release(held: number): void {
    try {
      this.#library.close(held);
    } catch {
      // How the put ended is decided already, and the connection's end releases the lock too.
    }
  }
}
