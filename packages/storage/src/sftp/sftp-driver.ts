/**
 * A folder of an SFTP server as a storage: one file an object, laid out as a local folder is.
 *
 * Protocol: SSH 2 (RFC 4251-4254, 8332, 8308) and SFTP version 3 (draft-ietf-secsh-filexfer-02), which nearly every
 * server speaks, with the extensions of OpenSSH's PROTOCOL where they are offered: `fsync@openssh.com`,
 * `hardlink@openssh.com`, `statvfs@openssh.com`. Used are OPEN, CLOSE, READ, WRITE, LSTAT, STAT, FSTAT, OPENDIR, READDIR,
 * REMOVE, MKDIR, RENAME and REALPATH; no later version, no links but hard ones, nothing that changes a finished file.
 * Without `fsync@openssh.com` an object is as durable as the server makes a closed file. ssh_config is not read.
 *
 * Library: ssh2, which is pure JavaScript and maintained for many years; SSH itself is nothing to write anew. Its SFTP
 * client leaves requests without an answer when a channel ends, hence session.ts.
 *
 * An object is written to `tmp/<random>`, synced, linked to its final name (publish.ts), and the folder is synced. Temporary
 * files of killed writers are removed when older than a day, after the first put of a storage that was opened.
 *
 * @module
 */
import { posix } from "node:path";
import { type Clock, type Randomness, systemClock, systemRandomness } from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import { type ByteRange, type ObjectInfo, PLAIN_STORAGE, type StorageCapabilities } from "../contract.ts";
import { assertRange } from "../reading.ts";
import type { ObjectPage, RemoteDriver } from "../remote/driver.ts";
import type { TransferRate } from "../remote/limits.ts";
import type { SftpCredentials } from "./authentication.ts";
import { connectSftp } from "./connect.ts";
import { isMissing, sftpFailure } from "./failures.ts";
import { RemoteFolders } from "./folders.ts";
import type { HostTrustOptions } from "./host-trust.ts";
import { parseSftpLocation, type SftpLocation } from "./location.ts";
import { ObjectReader } from "./object-reader.ts";
import { ObjectWriter } from "./object-writer.ts";
import { SessionPool } from "./pool.ts";
import type { SftpSession } from "./session.ts";
import { listPage, statObject } from "./walk.ts";

const CONNECT_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 30_000;
const CONNECTIONS = 4;

export interface SftpOptions extends HostTrustOptions {
  /** Asked for every new connection, so that replaced credentials are used; its errors are told as they are. */
  readonly credentials: () => Promise<SftpCredentials>;
  /** Make the folder, and the folders above it, when missing. */
  readonly create?: boolean;
  /** Connections at once; by default 4. */
  readonly connections?: number;
  /** Silence of the server in the middle of a request; by default 30 s. */
  readonly idleTimeoutMs?: number;
  /** From nothing to a channel; by default 15 s. */
  readonly connectTimeoutMs?: number;
  /** Of content; without it, as fast as it goes. */
  readonly rate?: TransferRate | undefined;
  /** Of the opening only. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

/**
 * Connects once, so that a wrong key, wrong credentials and a missing folder are told at once.
 *
 * @param location `sftp://user@host:port/path`, without a password.
 * @throws {AppError} as the calls of a driver do; `ERR_USAGE` for a malformed location.
 */
export async function openSftp(location: string | URL, options: SftpOptions): Promise<SftpDriver> {
  const parsed = parseSftpLocation(location);
  const driver = new SftpDriver(parsed, options);
  try {
    await driver.open(parsed, options.create === true, options.signal ?? new AbortController().signal);
    return driver;
  } catch (error) {
    await driver[Symbol.asyncDispose]();
    throw error;
  }
}

/** Made by {@link openSftp}. */
export class SftpDriver implements RemoteDriver {
  readonly location: string;
  readonly #pool: SessionPool;
  readonly #folders: RemoteFolders;
  readonly #writer: ObjectWriter;
  readonly #reader: ObjectReader;
  #capabilities: StorageCapabilities = PLAIN_STORAGE;

  constructor(location: SftpLocation, options: SftpOptions) {
    this.location = location.url;
    this.#folders = new RemoteFolders(location.url);
    const { clock = systemClock, randomness = systemRandomness } = options;
    this.#writer = new ObjectWriter({ folders: this.#folders, clock, randomness });
    this.#reader = new ObjectReader({ folders: this.#folders, url: location.url });
    const connection = {
      ...options,
      location,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    };
    this.#pool = new SessionPool({
      connect: (signal) => connectSftp(connection, signal),
      size: options.connections ?? CONNECTIONS,
      url: location.url,
    });
  }

  get capabilities(): StorageCapabilities {
    return this.#capabilities;
  }

  /** Finds the folder and what the server can do; before anything else. */
  async open(location: SftpLocation, create: boolean, signal: AbortSignal): Promise<void> {
    await this.#call("Opening the storage", signal, async (session) => {
      await this.#folders.open(session, location.path, location.fromHome, create);
      const freeSpace = (await session.fileSystem(this.#folders.base)) !== null;
      this.#capabilities = { ...PLAIN_STORAGE, freeSpace };
    });
  }

  async put(
    name: string,
    bytes: Uint8Array,
    _sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    return this.#call(`Storing ${name}`, signal, async (session) => {
      try {
        return await this.#writer.put(session, name, bytes, signal);
      } catch (error) {
        throw await this.#folders.explain(session, error, bytes.length);
      }
    });
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    if (range !== undefined) assertRange(range);
    return this.#call(`Reading ${name}`, signal, (session) => this.#reader.get(session, name, range));
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const action = `Listing ${prefix === "" ? "the objects" : prefix}`;
    return this.#call(action, signal, async (session) => {
      const page = await listPage(session, this.#folders, prefix, next);
      // Nothing at all may also mean that the disk is gone.
      if (page.objects.length === 0) await this.#folders.check(session);
      return page;
    });
  }

  async stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    return this.#call(`Looking for ${name}`, signal, async (session) => {
      const info = await statObject(session, this.#folders, name);
      if (info === null) await this.#folders.check(session);
      return info;
    });
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    await this.#call(`Deleting ${name}`, signal, async (session) => {
      try {
        await session.remove(this.#folders.path(name));
        await this.#folders.sync(session, posix.dirname(name));
      } catch (error) {
        if (!isMissing(error)) throw await this.#folders.explain(session, error, 0);
        await this.#folders.check(session);
      }
    });
  }

  async free(signal: AbortSignal): Promise<number | null> {
    return this.#call("Asking for the free space", signal, async (session) => {
      const state = await session.fileSystem(this.#folders.base);
      return state?.free ?? null;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  async #call<T>(
    action: string,
    signal: AbortSignal,
    work: (session: SftpSession) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#pool.use(signal, work);
    } catch (error) {
      throwIfAborted(signal, this.location);
      throw sftpFailure(error, action, this.location);
    }
  }
}
