/**
 * Objects as files on an SMB share, by libsmbclient, Samba's own client library: SMB 2.02 to 3.1.1 (MS-SMB2), always signed,
 * encrypted when asked, NTLMv2 (MS-NLMP) or Kerberos. The clients on npm sign nothing, which current servers demand; an own
 * one would be much cryptography to get wrong.
 *
 * The library's calls block, several threads of one process share its globals, it reads what a hostile server sends with C,
 * and nothing but its own patience ends a call. So every connection is a helper process (helper.ts) with one context:
 * killing it closes the socket at once, a crash ends one attempt, and its environment holds neither secrets nor an
 * smb.conf that weakens anything. (A thread of ours would keep running, and would keep this process from ending.)
 *
 * A put writes `tmp/<random>`, closes it, and renames it under a lock (publish.ts). DURABILITY IS THE SERVER'S: libsmbclient
 * has no flush, and drops O_SYNC in SMB 2 and 3, so that a power cut of the server within its usual seconds may cost objects
 * that were reported as stored, or leave them empty. Samba writes through with `sync always = yes` for the share (and
 * `strict sync = yes`, its default); Windows does for shares with continuous availability. Then the last write of a put,
 * to the lock file after the rename, makes a journalling file system commit the rename too.
 *
 * Known limit: the library reads a folder as a whole, so that a hostile server can make a helper process grow.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { AppError, type Randomness, systemRandomness } from "@holdfast/kernel";
import { type ByteRange, type ObjectInfo, PLAIN_STORAGE, type StorageCapabilities } from "../contract.ts";
import { isObjectName } from "../names.ts";
import { notFound, tooShort } from "../reading.ts";
import type { ObjectPage, RemoteDriver } from "../remote/driver.ts";
import type { TransferRate } from "../remote/limits.ts";
import { smbFailure } from "./failures.ts";
import { HelperFailure, HelperProcess } from "./helper-process.ts";
import {
  type Done,
  malformed,
  type Reply,
  type Request,
  SLICE_LENGTH,
  WHOLE_OBJECT_MAX,
} from "./messages.ts";
import { Pool } from "./pool.ts";
import { findServer } from "./find-server.ts";
import { libraryUrl, parseSmbLocation, showSmbLocation, type SmbLocation } from "./smb-location.ts";

const CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 30_000;
/** The driver's own patience must end before the library's, whose errors say less. */
const LIBRARY_PATIENCE_MS = 10_000;
const PAGE_OBJECTS_MAX = 1_000_000;

export interface SmbCredentials {
  /** Both are taken from the URL when missing here. */
  readonly user?: string;
  readonly domain?: string;
  /** Up to 255 bytes of UTF-8; not needed with Kerberos. */
  readonly password?: string;
}

export interface SmbOptions {
  /** Asked for every new connection. */
  readonly credentials: () => Promise<SmbCredentials>;
  /** `desired` encrypts where the server can (SMB 3). Default: signed only, which is cheaper; objects are encrypted anyway. */
  readonly encrypt?: "required" | "desired";
  /** With the tickets of this user's credential cache (`kinit`). Default: NTLMv2. */
  readonly kerberos?: boolean;
  /** Make the storage's folder, and those above it in the share, when missing. */
  readonly create?: boolean;
  /** Processes, each with a connection, at most. Default 4. */
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
  /** The longest silence within a call. Default 30 seconds. */
  readonly idleTimeoutMs?: number;
  /** Of content; without it, as fast as it goes. */
  readonly rate?: TransferRate | undefined;
  readonly randomness?: Randomness;
}

/**
 * Connects with the first call only.
 *
 * @param location `smb://[DOMAIN;][USER@]HOST[:PORT]/SHARE[/FOLDER...]`
 * @throws AppError `ERR_USAGE`
 */
export function openSmb(location: URL, options: SmbOptions): RemoteDriver {
  return new SmbDriver(parseSmbLocation(location), options);
}

interface Call {
  readonly request: Request;
  /** The subject of a sentence: "Storing packs/ab". */
  readonly action: string;
  readonly signal: AbortSignal;
  readonly payload?: Uint8Array;
  readonly reply?: (reply: Reply, payloadLength: number) => void;
  readonly data?: (bytes: Buffer) => void;
}

class SmbDriver implements RemoteDriver {
  readonly location: string;
  readonly capabilities: StorageCapabilities = { ...PLAIN_STORAGE, freeSpace: true };
  readonly #where: SmbLocation;
  readonly #options: SmbOptions;
  readonly #pool: Pool;
  readonly #randomness: Randomness;
  #swept = false;

  constructor(where: SmbLocation, options: SmbOptions) {
    this.location = showSmbLocation(where);
    this.#where = where;
    this.#options = options;
    this.#pool = new Pool(options.connections ?? CONNECTIONS, (signal) => this.#connect(signal));
    this.#randomness = options.randomness ?? systemRandomness;
  }

  async put(
    name: string,
    bytes: Uint8Array,
    _sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const sweep = !this.#swept;
    this.#swept = true;
    const request: Request = {
      op: "put",
      name,
      size: bytes.length,
      temporary: this.#randomness(Buffer.alloc(16)).toString("hex"),
      lock: createHash("sha256").update(name).digest("hex").slice(0, 2),
      sweep,
      slice: this.#options.rate?.up.pieceLength(SLICE_LENGTH) ?? SLICE_LENGTH,
    };
    const { outcome } = await this.#call({ request, action: `Storing ${name}`, signal, payload: bytes });
    if (outcome === undefined) throw malformed();
    return outcome;
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    let bytes: Buffer | undefined;
    let filled = 0;
    const request: Request = {
      op: "get",
      name,
      offset: range?.offset ?? 0,
      length: range?.length ?? null,
      slice: this.#options.rate?.down.pieceLength(SLICE_LENGTH) ?? SLICE_LENGTH,
    };
    const { endedAt } = await this.#call({
      request,
      action: `Reading ${name}`,
      signal,
      reply: (reply, payloadLength) => {
        if (reply.kind === "length") bytes = allocate(reply.length, range, bytes);
        else if (reply.kind !== "data" || bytes === undefined || payloadLength > bytes.length - filled) {
          throw malformed();
        }
      },
      data: (piece) => {
        if (bytes !== undefined) filled += piece.copy(bytes, filled);
      },
    });
    if (endedAt !== undefined) {
      const asked = range ?? { offset: 0, length: bytes?.length ?? 0 };
      throw tooShort(name, this.location, asked, endedAt);
    }
    if (bytes === undefined || filled !== bytes.length) throw malformed();
    return bytes;
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const folders = next === undefined ? [prefix.slice(0, -1)] : parseFolders(next);
    const objects: ObjectInfo[] = [];
    const done = await this.#call({
      request: { op: "list", folders },
      action: `Listing ${prefix === "" ? "the objects" : prefix}`,
      signal,
      reply: (reply) => {
        if (reply.kind !== "objects" || objects.length > PAGE_OBJECTS_MAX) throw malformed();
        for (const [name, size, modifiedMs] of reply.objects) {
          if (isObjectName(name) && name.startsWith(prefix)) objects.push({ name, size, modifiedMs });
        }
      },
    });
    const rest = (done.folders ?? []).filter((folder) => isObjectName(folder));
    return { objects, next: rest.length === 0 ? undefined : JSON.stringify(rest) };
  }

  async stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    const { info } = await this.#call({
      request: { op: "stat", name },
      action: `Looking for ${name}`,
      signal,
    });
    if (info === undefined) throw malformed();
    return info === null ? null : { name, size: info[0], modifiedMs: info[1] };
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    await this.#call({ request: { op: "delete", name }, action: `Deleting ${name}`, signal });
  }

  async free(signal: AbortSignal): Promise<number | null> {
    const done = await this.#call({ request: { op: "free" }, action: "Asking for the free space", signal });
    return done.free ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  async #call({ action, ...call }: Call): Promise<Done> {
    const subject = `${action} in ${this.location}`;
    const timeoutMs = this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    try {
      return await this.#pool.use(subject, call.signal, (helper) =>
        helper.run({ ...call, subject, timeoutMs }),
      );
    } catch (error) {
      if (!(error instanceof HelperFailure)) throw error;
      const { request } = call;
      if (error.failure.stage === "missing" && request.op === "get")
        throw notFound(request.name, this.location);
      throw smbFailure(error.failure, action, this.location);
    }
  }

  async #connect(signal: AbortSignal): Promise<HelperProcess> {
    const { user, domain, password } = await this.#credentials();
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const request: Request = {
      op: "connect",
      url: libraryUrl(this.#where),
      port: this.#where.port,
      user,
      domain,
      password,
      encrypt: this.#options.encrypt,
      kerberos: this.#options.kerberos ?? false,
      create: this.#options.create ?? false,
      timeoutMs: (this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS) + LIBRARY_PATIENCE_MS,
    };
    const helper = new HelperProcess(this.#options.rate);
    try {
      await helper.run({ request, timeoutMs, signal, subject: `Connecting to ${this.location}` });
      return helper;
    } catch (error) {
      helper.kill();
      if (!(error instanceof HelperFailure)) throw error;
      // A server that is not there, or goes away meanwhile, gives the same error numbers as wrong names and passwords.
      if (error.failure.stage === "connect") await findServer(this.#where, this.location, signal);
      throw smbFailure(error.failure, "Connecting", this.location);
    }
  }

  async #credentials(): Promise<{ user: string; domain: string | undefined; password: string }> {
    const given = await this.#options.credentials();
    const user = given.user ?? this.#where.user ?? "";
    const password = given.password ?? "";
    if (this.#options.kerberos !== true && (user === "" || password === "")) {
      throw badCredentials(this.location, "A user and a password are needed.");
    }
    if (Buffer.byteLength(password) > 255 || password.includes("\0")) {
      throw badCredentials(this.location, "Passwords of more than 255 bytes cannot be used.");
    }
    return { user, domain: given.domain ?? this.#where.domain, password };
  }
}

function badCredentials(location: string, reason: string): AppError {
  return new AppError("ERR_STORAGE_CREDENTIALS", `Connecting to ${location} failed. ${reason}`, {
    subject: location,
    remedy: "Name the user in the URL or with the password.",
  });
}

function allocate(length: number, range: ByteRange | undefined, before: Buffer | undefined): Buffer {
  const most = range?.length ?? WHOLE_OBJECT_MAX;
  if (before !== undefined || length > most || (range !== undefined && length !== most)) throw malformed();
  return Buffer.allocUnsafe(length);
}

/** From `next` of an earlier page. */
function parseFolders(next: string): readonly string[] {
  const folders: unknown = JSON.parse(next);
  if (!Array.isArray(folders)) throw malformed();
  return folders.filter((folder): folder is string => typeof folder === "string" && isObjectName(folder));
}
