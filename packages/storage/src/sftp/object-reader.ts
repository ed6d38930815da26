/**
 * Getting one object, or a range of it.
 *
 * @module
 */
import { AppError, VERIFY_REMEDY } from "@holdfast/kernel";
import type { ByteRange } from "../contract.ts";
import { notFound, tooShort } from "../reading.ts";
import { isMissing } from "./failures.ts";
import type { RemoteFolders } from "./folders.ts";
import type { SftpSession } from "./session.ts";
import { readContent } from "./transfer.ts";

const WHOLE_OBJECT_MAX = 64 * 1024 * 1024;

export interface ObjectReaderOptions {
  readonly folders: RemoteFolders;
  /** For messages. */
  readonly url: string;
}

export class ObjectReader {
  readonly #folders: RemoteFolders;
  readonly #url: string;

  constructor(options: ObjectReaderOptions) {
    this.#folders = options.folders;
    this.#url = options.url;
  }

  async get(session: SftpSession, name: string, range: ByteRange | undefined): Promise<Buffer> {
    // Both at once to save a round trip. A pipe in the place of an object makes the server wait in the second for ever;
    // the first then ends the connection.
    const [size, handle] = await Promise.allSettled([
      this.#sizeOf(session, name),
      session.openToRead(this.#folders.path(name)),
    ]);
    try {
      if (size.status === "rejected") throw size.reason;
      if (handle.status === "rejected") {
        throw isMissing(handle.reason) ? await this.#missing(session, name) : handle.reason;
      }
      return await this.#read(session, handle.value, name, size.value, range);
    } finally {
      if (handle.status === "fulfilled") session.dropHandle(handle.value);
    }
  }

  async #read(
    session: SftpSession,
    handle: Buffer,
    name: string,
    size: number,
    range: ByteRange | undefined,
  ): Promise<Buffer> {
    const wanted = range ?? { offset: 0, length: size };
    if (range === undefined && size > WHOLE_OBJECT_MAX) throw tooLarge(name, this.#url);
    if (wanted.offset + wanted.length > size) throw tooShort(name, this.#url, wanted, size);
    const bytes = Buffer.allocUnsafe(wanted.length);
    const filled = await readContent(session, handle, bytes, wanted.offset);
    if (filled < bytes.length) throw tooShort(name, this.#url, wanted, wanted.offset + filled);
    return bytes;
  }

  /** @throws {AppError} `ERR_STORAGE_NOT_FOUND`, or `ERR_STORAGE_FAILED` when it is neither file nor folder. */
  async #sizeOf(session: SftpSession, name: string): Promise<number> {
    const found = await session.lstat(this.#folders.path(name));
    if (found === null || found.kind === "folder") throw await this.#missing(session, name);
    if (found.kind !== "other" && found.size !== undefined) return found.size;
    const failure = new AppError("ERR_STORAGE_FAILED", `${name} in ${this.#url} is not a plain file.`, {
      subject: name,
      remedy: "Move away what stands in the place of the object; nothing else may write into this folder.",
    });
    session.fail(failure);
    throw failure;
  }

  async #missing(session: SftpSession, name: string): Promise<AppError> {
    await this.#folders.check(session);
    return notFound(name, this.#url);
  }
}

function tooLarge(name: string, url: string): AppError {
  return new AppError("ERR_DAMAGED", `${name} in ${url} is far larger than any object.`, {
    subject: name,
    remedy: VERIFY_REMEDY,
  });
}
