/**
 * Folders below the base: made when first needed, and synced where the server can, so that an entry in them outlives a
 * power cut. OpenSSH opens a folder like a file and syncs it with `fsync@openssh.com`; other servers refuse to.
 *
 * @module
 */
import { posix } from "node:path";
import { AppError } from "@holdfast/kernel";
import { explainFailure, folderMissing, hasStatus, isMissing, SftpStatusError, STATUS } from "./failures.ts";
import type { SftpSession } from "./session.ts";

/** The folders of one storage; paths are relative to its base, `.` for the base itself. */
export class RemoteFolders {
  readonly #url: string;
  #base: string | undefined;
  /** Folders that exist, with a durable entry in their parent. */
  readonly #ready = new Set<string>();
  #syncs = true;

  constructor(url: string) {
    this.#url = url;
  }

  /** Set once it was found. */
  get base(): string {
    if (this.#base === undefined) throw new Error("the base folder is used before it was found");
    return this.#base;
  }

  path(relative: string): string {
    return relative === "." ? this.base : posix.join(this.base, relative);
  }

  /**
   * Finds the base folder, and makes it and those above it when `create` is set.
   *
   * @param path absolute, or below the home folder when `fromHome` is set.
   * @throws {AppError} `ERR_STORAGE_MISSING`
   */
  async open(session: SftpSession, path: string, fromHome: boolean, create: boolean): Promise<void> {
    const base = fromHome ? posix.join(await session.realPath("."), path) : path;
    if (create) await this.#createAll(session, base);
    this.#base = base;
    await this.check(session);
  }

  /** Tells a missing object from a missing disk. */
  async check(session: SftpSession): Promise<void> {
    const found = await session.stat(this.base);
    if (found === null) throw folderMissing(this.#url);
    if (found.kind === "folder" || found.kind === undefined) return;
    throw new AppError("ERR_STORAGE_MISSING", `${this.#url} is not a folder.`, {
      subject: this.#url,
      remedy: "Name a folder as the storage.",
    });
  }

  /** Makes the folder and its parents up to the base, which itself is never made. */
  async ensure(session: SftpSession, relative: string): Promise<void> {
    if (relative === "." || this.#ready.has(relative)) return;
    const parent = posix.dirname(relative);
    await this.ensure(session, parent);
    await makeUnlessThere(session, this.path(relative));
    await this.sync(session, parent);
    this.#ready.add(relative);
  }

  /** Makes the changes of the folder's entries durable, as far as the server can. */
  async sync(session: SftpSession, relative: string): Promise<void> {
    if (!this.#syncs) return;
    try {
      const handle = await session.openToRead(this.path(relative));
      try {
        await session.sync(handle);
      } finally {
        session.dropHandle(handle);
      }
    } catch (error) {
      // What vanished needs no sync; and a server that refuses once will refuse every time.
      if (!(error instanceof SftpStatusError)) throw error;
      if (!isMissing(error)) this.#syncs = false;
    }
  }

  /**
   * What a mere FAILURE of a change most likely means; other errors as they are.
   *
   * @param needed bytes that the change would have stored.
   */
  async explain(session: SftpSession, error: unknown, needed: number): Promise<unknown> {
    if (session.failed || !hasStatus(error, STATUS.failure)) return error;
    const state = await session.fileSystem(this.base).catch(() => null);
    return explainFailure(error, state, needed);
  }

  /** Forgets what is known, after somebody else removed a folder. */
  forget(): void {
    this.#ready.clear();
  }

  async #createAll(session: SftpSession, path: string): Promise<void> {
    if (path === "/" || (await session.stat(path)) !== null) return;
    await this.#createAll(session, posix.dirname(path));
    await makeUnlessThere(session, path);
  }
}

async function makeUnlessThere(session: SftpSession, path: string): Promise<void> {
  try {
    await session.makeFolder(path);
  } catch (error) {
    // OpenSSH tells a taken name, and much else, by FAILURE.
    if (!hasStatus(error, STATUS.failure, STATUS.alreadyExists, STATUS.permissionDenied)) throw error;
    const found = await session.stat(path);
    if (found === null || (found.kind !== "folder" && found.kind !== undefined)) throw error;
  }
}
