/**
 * One SSH connection with one SFTP channel: the requests of SFTP as promises, with checked answers.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { AppError } from "@holdfast/kernel";
import type { Client, SFTPWrapper } from "ssh2";
import { type RemoteEntry, type RemoteFile, toEntries, toFile, toFileSystemState } from "./answers.ts";
import { connectionLost, type FileSystemState, isMissing, SftpStatusError, STATUS } from "./failures.ts";
import { noteBuffers } from "../remote/collection.ts";
import type { TransferRate } from "../remote/limits.ts";
import { type Done, Requests } from "./requests.ts";

const END_OF_FILE = 1;
const HANDLE_LENGTH_MAX = 256;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** SSH_FXF_READ, and SSH_FXF_WRITE with SSH_FXF_CREAT and SSH_FXF_EXCL. */
const OPEN_READ = 0x01;
const OPEN_NEW = 0x02 | 0x08 | 0x20;
/** What the library makes of each: the request, the packet, its encryption; what came in, decrypted, the answer. */
const WRITE_BUFFERS = 3;
const READ_BUFFERS = 3;
const CLOSE_TIMEOUT_MS = 1000;

export interface SessionParts {
  readonly client: Client;
  readonly socket: Socket;
  readonly sftp: SFTPWrapper;
  /** For messages. */
  readonly url: string;
  readonly idleTimeoutMs: number;
  /** Bytes of one read or write that the server surely takes in one packet. */
  readonly chunkLength: number;
  readonly rate: TransferRate | undefined;
}

export class SftpSession {
  readonly chunkLength: number;
  readonly rate: TransferRate | undefined;
  readonly #parts: SessionParts;
  readonly #requests: Requests;
  readonly #closed = Promise.withResolvers<void>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.chunkLength = parts.chunkLength;
    this.rate = parts.rate;
    const { client, socket, sftp, url } = parts;
    this.#requests = new Requests({
      url,
      idleTimeoutMs: parts.idleTimeoutMs,
      destroy: () => socket.destroy(),
    });
    const lose = (cause?: unknown): void => {
      this.fail(connectionLost(url, cause));
    };
    client.on("error", lose);
    sftp.on("error", lose);
    sftp.on("close", () => {
      lose();
    });
    socket.on("close", () => {
      this.#closed.resolve();
      lose();
    });
    socket.on("data", () => {
      this.#requests.heard();
    });
  }

  /** Usable, and nothing is on its way. */
  get idle(): boolean {
    return !this.failed && this.#requests.count === 0;
  }

  get failed(): boolean {
    return this.#requests.failure !== undefined;
  }

  /** Destroys the connection; what is on its way and what comes later rejects with the first such error. */
  fail(error: AppError): void {
    this.#requests.fail(error);
  }

  /** Says good-bye to the server. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#parts.socket.destroy(), CLOSE_TIMEOUT_MS);
    this.#parts.client.end();
    this.#parts.socket.destroySoon();
    await this.#closed.promise;
    clearTimeout(timer);
  }

  /** Null when there is nothing of that name. */
  async lstat(path: string): Promise<RemoteFile | null> {
    return nullIfMissing(
      this.#ask((done) => {
        this.#parts.sftp.lstat(path, done);
      }).then(toFile),
    );
  }

  /** As {@link lstat}, of what a symbolic link leads to. */
  async stat(path: string): Promise<RemoteFile | null> {
    return nullIfMissing(
      this.#ask((done) => {
        this.#parts.sftp.stat(path, done);
      }).then(toFile),
    );
  }

  async fstat(handle: Buffer): Promise<RemoteFile> {
    return toFile(
      await this.#ask((done) => {
        this.#parts.sftp.fstat(handle, done);
      }),
    );
  }

  async openToRead(path: string): Promise<Buffer> {
    return toHandle(
      await this.#ask((done) => {
        this.#parts.sftp.open(path, OPEN_READ, done);
      }),
    );
  }

  /** Fails when something of that name is there. */
  async openNew(path: string): Promise<Buffer> {
    return toHandle(
      await this.#ask((done) => {
        this.#parts.sftp.open(path, OPEN_NEW, FILE_MODE, done);
      }),
    );
  }

  async closeHandle(handle: Buffer): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.close(handle, done);
    });
  }

  /** As {@link closeHandle}, of a file that was read: how it ends does not matter to anybody. */
  dropHandle(handle: Buffer): void {
    if (this.failed) return;
    this.#parts.sftp.close(handle, () => undefined);
  }

  async write(handle: Buffer, bytes: Buffer, start: number, length: number, position: number): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.write(handle, bytes, start, length, position, done);
    });
    noteBuffers(WRITE_BUFFERS * length);
  }

  /** Number of bytes that were read into `target`, 0 at the end of the file. */
  async read(
    handle: Buffer,
    target: Buffer,
    start: number,
    length: number,
    position: number,
  ): Promise<number> {
    const count = await this.#ask((done) => {
      this.#parts.sftp.read(handle, target, start, length, position, done);
    });
    if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= length) {
      noteBuffers(READ_BUFFERS * count);
      return count;
    }
    throw new SftpStatusError(STATUS.failure, "a read without a length");
  }

  /** Makes the content of a file, or the entries of a folder, durable. */
  async sync(handle: Buffer): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.ext_openssh_fsync(handle, done);
    });
  }

  async openFolder(path: string): Promise<Buffer> {
    return toHandle(
      await this.#ask((done) => {
        this.#parts.sftp.opendir(path, done);
      }),
    );
  }

  /** Some more entries, null after the last. */
  async readFolder(handle: Buffer): Promise<readonly RemoteEntry[] | null> {
    try {
      return toEntries(
        await this.#ask((done) => {
          this.#parts.sftp.readdir(handle, done);
        }),
      );
    } catch (error) {
      if (error instanceof SftpStatusError && error.status === END_OF_FILE) return null;
      throw error;
    }
  }

  async makeFolder(path: string): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.mkdir(path, { mode: FOLDER_MODE }, done);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.unlink(path, done);
    });
  }

  async link(existing: string, path: string): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.ext_openssh_hardlink(existing, path, done);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#ask((done) => {
      this.#parts.sftp.rename(from, to, done);
    });
  }

  async realPath(path: string): Promise<string> {
    const real = await this.#ask((done) => {
      this.#parts.sftp.realpath(path, done);
    });
    if (typeof real === "string" && real.startsWith("/") && !real.includes("\0")) return real;
    throw new SftpStatusError(STATUS.failure, "no absolute path");
  }

  /** Null when the server cannot tell. */
  async fileSystem(path: string): Promise<FileSystemState | null> {
    try {
      return toFileSystemState(
        await this.#ask((done) => {
          this.#parts.sftp.ext_openssh_statvfs(path, done);
        }),
      );
    } catch (error) {
      if (error instanceof SftpStatusError && !isMissing(error)) return null;
      throw error;
    }
  }

  /** What is asked in one turn goes to the system in one call: the library makes three writes of each packet. */
  #ask(send: (done: Done) => void): Promise<unknown> {
    const { socket } = this.#parts;
    socket.cork();
    process.nextTick(() => {
      socket.uncork();
    });
    return this.#requests.ask(send);
  }
}

function toHandle(value: unknown): Buffer {
  if (Buffer.isBuffer(value) && value.length > 0 && value.length <= HANDLE_LENGTH_MAX) return value;
  throw new SftpStatusError(STATUS.failure, "no handle");
}

async function nullIfMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
