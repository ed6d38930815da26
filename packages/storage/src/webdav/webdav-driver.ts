/**
 * A folder on a WebDAV server as a storage: one file an object.
 *
 * Of WebDAV (RFC 4918) it uses PROPFIND with `Depth` 0 and 1, MKCOL, MOVE with `Overwrite: F`, PUT, GET and DELETE; of HTTP
 * (RFC 9110, RFC 9112) ranges and kept connections; Basic, Digest and Bearer authentication (RFC 7617, 7616, 6750); the
 * free space by RFC 4331. No locks, no properties of its own, no HTTP/2. It is a client of our own because that is little,
 * and because every limit, timeout and check of an answer must be ours; `fast-xml-parser` reads the XML.
 *
 * - An object is put to `tmp/<random>`, measured, and moved to its name under a claim: see `store.ts` and `claim.ts`. It is
 *   not put to its name directly with `If-None-Match: *`, since many servers keep what arrived of a cut upload.
 * - WebDAV knows neither fsync nor digests: how durable an object is after its put is up to the server, and bytes that
 *   changed on the way are noticed only by those who read them.
 * - Redirects are not followed: credentials go to the server in the URL and to no other.
 *
 * @module
 */
import { AppError, type Clock, type Randomness, systemClock, systemRandomness } from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import { type ByteRange, type ObjectInfo, PLAIN_STORAGE, type StorageCapabilities } from "../contract.ts";
import { assertRange, notFound } from "../reading.ts";
import type { ObjectPage, RemoteDriver } from "../remote/driver.ts";
import type { TransferRate } from "../remote/limits.ts";
import { Authorization, type CredentialSource } from "./authorization.ts";
import { ConnectionPool, parseFingerprint } from "./connect.ts";
import { DavClient } from "./dav-client.ts";
import { Folders, makeBase } from "./folders.ts";
import { listFolders, objectInfo, readPending } from "./list.ts";
import { filePath, folderPath, parseWebdavUrl, type WebdavLocation } from "./location.ts";
import { emptyRange, readRange, readWhole } from "./read.ts";
import { Store } from "./store.ts";
import { sweep } from "./temporaries.ts";

const CONNECT_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 30_000;

export interface WebdavOptions {
  /** Asked before the first request, and again after the server refused what it gave. Without, none are sent. */
  readonly credentials?: CredentialSource;
  /** Make the storage's folder, and the folders above it, when missing. */
  readonly create?: boolean;
  /** PEM. The server's certificate must come from one of these instead of the machine's authorities. */
  readonly authorities?: string;
  /**
   * SHA-256 of the server's certificate, hexadecimal, with or without colons. It must be this one; then it needs no
   * authority, name and dates of its own, unless `authorities` are given too.
   */
  readonly fingerprint?: string;
  /** Lets `webdav://`, which does not encrypt, name another machine than this one. Digest authentication only. */
  readonly allowPlainHttp?: boolean;
  readonly connectTimeoutMs?: number;
  /** How long nothing may move in either way. */
  readonly idleTimeoutMs?: number;
  /** Of content; without it, as fast as it goes. */
  readonly rate?: TransferRate | undefined;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

/**
 * Connects to the server, once, and looks for the folder.
 *
 * @throws {AppError} `ERR_USAGE` for a bad URL or fingerprint, `ERR_STORAGE_MISSING` when the folder is missing and not to be
 * made, and what every call of a driver throws.
 */
export async function openWebdav(url: URL | string, options: WebdavOptions = {}): Promise<RemoteDriver> {
  const { allowPlainHttp = false, fingerprint, randomness = systemRandomness } = options;
  const location = parseWebdavUrl(url, allowPlainHttp);
  const pin = fingerprint === undefined ? undefined : parseFingerprint(fingerprint);
  const pool = new ConnectionPool({
    location,
    allowPlainHttp,
    authorities: options.authorities,
    pin,
    timeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  });
  const authorization = new Authorization(location, options.credentials, randomness);
  const idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
  const client = new DavClient({ location, pool, idleTimeoutMs, rate: options.rate }, authorization);
  try {
    const signal = options.signal ?? new AbortController().signal;
    const available = await findBase(client, location, options.create === true, signal);
    const capabilities = { ...PLAIN_STORAGE, freeSpace: available !== undefined };
    return new WebdavDriver({ client, location, pool, capabilities, options });
  } catch (error) {
    pool.destroy();
    throw error;
  }
}

/** The free space, when the server tells. */
async function findBase(
  client: DavClient,
  location: WebdavLocation,
  create: boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  const path = folderPath(location, "");
  let base = await client.lookUpQuota(path, signal);
  if (base === null && create) {
    await makeBase(client, location.base, signal);
    base = await client.lookUpQuota(path, signal);
  }
  if (base?.collection === true) return base.available;
  const what = base === null ? "is missing" : "is not a folder";
  throw new AppError("ERR_STORAGE_MISSING", `${location.text} ${what}.`, {
    subject: location.text,
    remedy: "Check the path in the URL.",
  });
}

interface Parts {
  readonly client: DavClient;
  readonly location: WebdavLocation;
  readonly pool: ConnectionPool;
  readonly capabilities: StorageCapabilities;
  readonly options: WebdavOptions;
}

class WebdavDriver implements RemoteDriver {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #client: DavClient;
  readonly #where: WebdavLocation;
  readonly #pool: ConnectionPool;
  readonly #folders: Folders;
  readonly #store: Store;
  #swept = false;

  constructor({ client, location, pool, capabilities, options }: Parts) {
    this.location = location.text;
    this.capabilities = capabilities;
    this.#client = client;
    this.#where = location;
    this.#pool = pool;
    this.#folders = new Folders(client, location);
    const { clock = systemClock, randomness = systemRandomness } = options;
    this.#store = new Store({ client, location, folders: this.#folders, clock, randomness });
  }

  async put(
    name: string,
    bytes: Uint8Array,
    _sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    await this.#sweep(signal);
    const first = await this.#store.put(name, bytes, signal);
    if (first !== "no-parent") return first;
    // Somebody removed a folder that this storage believed to be there, or the whole storage.
    await this.#checkBase(signal);
    this.#folders.forget();
    const second = await this.#store.put(name, bytes, signal);
    if (second !== "no-parent") return second;
    throw new AppError("ERR_STORAGE_FAILED", `The folder of ${name} in ${this.location} cannot be made.`, {
      subject: name,
      remedy: "Check that no file stands in the place of a folder; nothing else may write there.",
    });
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    if (range !== undefined) assertRange(range);
    const source = { client: this.#client, name, path: filePath(this.#where, name), signal };
    if (range?.length === 0) {
      const info = await this.stat(name, signal);
      return emptyRange(name, this.location, range, info?.size);
    }
    const bytes = range === undefined ? await readWhole(source) : await readRange(source, range);
    if (bytes !== null) return bytes;
    await this.#checkBase(signal);
    throw notFound(name, this.location);
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const pending = next === undefined ? [prefix.slice(0, -1)] : readPending(next);
    const { page, missing } = await listFolders(this.#client, this.#where, pending, signal);
    if (missing && next === undefined) await this.#checkBase(signal);
    return page;
  }

  async stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    const resource = await this.#client.lookUp(filePath(this.#where, name), signal);
    if (resource === null) await this.#checkBase(signal);
    if (resource === null || resource.collection) return null;
    return objectInfo(name, resource, this.location);
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    const path = filePath(this.#where, name);
    const resource = await this.#client.lookUp(path, signal);
    if (resource === null) await this.#checkBase(signal);
    // DELETE of a folder takes all that is below it along.
    if (resource === null || resource.collection) return;
    await this.#client.remove(path, signal);
  }

  async free(signal: AbortSignal): Promise<number | null> {
    if (!this.capabilities.freeSpace) return null;
    const base = await this.#client.lookUpQuota(folderPath(this.#where, ""), signal);
    return base?.available ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pool.destroy();
  }

  /** Tells a missing object from a missing storage. */
  async #checkBase(signal: AbortSignal): Promise<void> {
    await findBase(this.#client, this.#where, false, signal);
  }

  /** What cannot be swept takes space only; it is no reason to refuse a backup. */
  async #sweep(signal: AbortSignal): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    try {
      await sweep(this.#client, this.#where, signal);
    } catch {
      throwIfAborted(signal, this.location);
    }
  }
}
