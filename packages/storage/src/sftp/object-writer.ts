/**
 * Putting one object: temporary file, content, sync, final name, sync of the folder.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Clock, Randomness } from "@holdfast/kernel";
import { TEMPORARY_FOLDER } from "../names.ts";
import { hasStatus, isMissing, SftpStatusError, STATUS } from "./failures.ts";
import type { RemoteFolders } from "./folders.ts";
import { isTaken, publish } from "./publish.ts";
import type { SftpSession } from "./session.ts";
import { sweep } from "./sweep.ts";
import { writeContent } from "./transfer.ts";

type Outcome = "created" | "exists";

export interface ObjectWriterOptions {
  readonly folders: RemoteFolders;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export class ObjectWriter {
  readonly #folders: RemoteFolders;
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  #swept = false;

  constructor(options: ObjectWriterOptions) {
    this.#folders = options.folders;
    this.#clock = options.clock;
    this.#randomness = options.randomness;
  }

  async put(session: SftpSession, name: string, bytes: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#put(session, name, bytes, signal);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    // Somebody removed a folder that was believed to be there, or the whole disk.
    await this.#folders.check(session);
    this.#folders.forget();
    return this.#put(session, name, bytes, signal);
  }

  async #put(session: SftpSession, name: string, bytes: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    const parent = posix.dirname(name);
    await this.#folders.ensure(session, TEMPORARY_FOLDER);
    await this.#folders.ensure(session, parent);
    if (await isTaken(session, this.#folders.path(name))) {
      // Somebody else's, who may not have come to this step.
      await this.#folders.sync(session, parent);
      return "exists";
    }
    const temporary = this.#temporaryPath(this.#randomness(Buffer.alloc(16)).toString("hex"));
    let outcome: Outcome;
    try {
      outcome = await this.#store(session, name, temporary, bytes, signal);
    } catch (error) {
      // Before the space is free again.
      const reason = await this.#folders.explain(session, error, bytes.length);
      await discard(session, temporary);
      throw reason;
    }
    await Promise.all([discard(session, temporary), this.#folders.sync(session, parent)]);
    return outcome;
  }

  async #store(
    session: SftpSession,
    name: string,
    temporary: string,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const claim = this.#temporaryPath(`claim-${createHash("sha256").update(name).digest("hex")}`);
    const final = this.#folders.path(name);
    const handle = await session.openNew(temporary);
    try {
      await writeContent(session, handle, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      await this.#settle(session, handle, bytes.length);
      return await publish({ session, temporary, final, claim, clock: this.#clock, signal });
    } finally {
      session.dropHandle(handle);
    }
  }

  /** Makes the content durable, and checks what can be checked of it. */
  async #settle(session: SftpSession, handle: Buffer, length: number): Promise<void> {
    const [written] = await Promise.all([session.fstat(handle), syncIfOffered(session, handle)]);
    if (written.size !== undefined && written.size !== length) {
      throw new SftpStatusError(STATUS.failure, "the server stored another length");
    }
    if (this.#swept || written.modifiedMs === undefined) return;
    this.#swept = true;
    // The server's own time is that of the file that it has just written.
    await sweep(session, this.#folders, written.modifiedMs);
  }

  #temporaryPath(name: string): string {
    return this.#folders.path(`${TEMPORARY_FOLDER}/${name}`);
  }
}

/** Gone already after a rename; and a failure to remove it must not hide how the put ended. */
async function discard(session: SftpSession, temporary: string): Promise<void> {
  await session.remove(temporary).catch(() => undefined);
}

async function syncIfOffered(session: SftpSession, handle: Buffer): Promise<void> {
  try {
    await session.sync(handle);
  } catch (error) {
    if (!hasStatus(error, STATUS.unsupported)) throw error;
  }
}
