/**
 * What a helper process does with its one connection.
 *
 * @module
 */
import { constants } from "node:fs";
import { dirname } from "node:path/posix";
import { isObjectName, TEMPORARY_FOLDER } from "../names.ts";
import { type Channel, Incoming } from "./channel.ts";
import { SmbLibrary } from "./library.ts";
import {
  type ConnectRequest,
  type Done,
  type FailureStage,
  type GetRequest,
  type ListedObject,
  OBJECTS_MAX,
  type PutRequest,
  type Request,
  SLICE_LENGTH,
  WHOLE_OBJECT_MAX,
} from "./messages.ts";
import { CallError, type FileInfo } from "./native-values.ts";
import { Publisher } from "./publish.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** A list goes on to further folders until it has so many objects. */
const PAGE_OBJECTS = 1000;
/** Old temporary files removed at once. */
const SWEEP_MAX = 1000;
const TEMPORARY_NAME = /^[0-9a-f]{32}$/;
/** No object's name, for the underscore. */
const LOCK_FOLDER = "_locks";
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const MISSING: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);

/** Says in which situation a call failed. */
export class StageError extends Error {
  readonly stage: FailureStage;
  readonly errno: string;

  constructor(stage: FailureStage, errno: string) {
    super(`${stage}: ${errno}`);
    this.stage = stage;
    this.errno = errno;
  }
}

export class Session {
  readonly #library: SmbLibrary;
  readonly #base: string;
  readonly #channel: Channel;
  readonly #publisher: Publisher;
  readonly #buffer = Buffer.alloc(SLICE_LENGTH);
  /** Folders below the base that were seen or made. */
  readonly #folders = new Set<string>();

  constructor(request: ConnectRequest, configuration: string, channel: Channel) {
    this.#library = new SmbLibrary(request, configuration);
    this.#base = request.url;
    this.#channel = channel;
    this.#publisher = new Publisher(this.#library);
    this.#connect(request);
  }

  run(request: Exclude<Request, ConnectRequest>): Done {
    switch (request.op) {
      case "put":
        return this.#put(request);
      case "get":
        return this.#get(request);
      case "list":
        return this.#list(request.folders);
      case "stat": {
        const info = this.#statObject(request.name);
        return { kind: "done", info: info === undefined ? null : [info.size, info.modifiedMs] };
      }
      case "delete":
        return this.#delete(request.name);
      case "free":
      default:
        return { kind: "done", free: this.#library.volume(this.#base).free };
    }
  }

  #connect({ create, encrypt, port }: ConnectRequest): void {
    const base = attempt(() => this.#library.stat(this.#base));
    if (base instanceof CallError) {
      // Nothing more with a password that was refused: some servers count how often it was wrong.
      if (!create || base.errno !== "ENOENT" || !this.#library.isLoggedIn) throw this.#connectFailure(base);
      this.#makeBase();
    }
    this.#library.forbidReconnecting();
    this.#checkBase();
    // Behind a folder of DFS the library may make further connections, beyond the rules of publish.ts.
    if (this.#library.volume(this.#base).isDfs) throw new StageError("dfs", "EXDEV");
    if (encrypt !== "required") return;
    const missing = this.#url(`${TEMPORARY_FOLDER}/${"0".repeat(32)}`);
    if (!this.#library.isEncrypted(port, missing)) throw new StageError("encryption", "EPROTONOSUPPORT");
  }

  /** Refused users and refused shares have the same error number in some versions. */
  #connectFailure({ errno }: CallError): StageError {
    const isRefused = errno === "EACCES" || errno === "EPERM";
    if (!isRefused) return new StageError("connect", errno);
    return new StageError("connect", this.#library.isLoggedIn ? "EACCES" : "EPERM");
  }

  /** Tells a missing object from a missing storage, and from a connection that is no more. */
  #checkBase(): void {
    const info = attempt(() => this.#library.stat(this.#base));
    if (info instanceof CallError) throw new StageError("connect", info.errno);
    if (!info.isFolder) throw new StageError("connect", "ENOTDIR");
  }

  #makeBase(): void {
    // smb:, nothing, the server, the share, and then the folders.
    const names = this.#base.split("/");
    for (let end = 5; end <= names.length; end += 1) {
      const url = names.slice(0, end).join("/");
      if (attempt(() => this.#library.stat(url)) instanceof CallError) this.#makeFolder(url);
    }
  }

  #put(request: PutRequest): Done {
    const incoming = new Incoming(this.#channel, request.size);
    try {
      return { kind: "done", outcome: this.#store(request, incoming) };
    } catch (error) {
      // Somebody removed a folder that was believed to be there; the next attempt makes it again.
      this.#folders.clear();
      if (error instanceof CallError && MISSING.has(error.errno)) this.#checkBase();
      throw error;
    } finally {
      // The driver has sent, or is sending, all of it.
      while (incoming.take(this.#buffer) !== undefined);
    }
  }

  #store(request: PutRequest, incoming: Incoming): "created" | "exists" {
    const final = this.#url(request.name);
    const temporary = this.#url(`${TEMPORARY_FOLDER}/${request.temporary}`);
    this.#ensureFolder(TEMPORARY_FOLDER);
    this.#ensureFolder(LOCK_FOLDER);
    this.#ensureFolder(dirname(request.name));
    if (this.#publisher.isTaken(final)) return "exists";
    let outcome: "created" | "exists" | undefined;
    try {
      this.#write(temporary, incoming, request.slice);
      if (request.sweep) this.#sweep(temporary);
      const lock = this.#url(`${LOCK_FOLDER}/${request.lock}`);
      outcome = this.#publisher.publish({ temporary, final, lock });
      return outcome;
    } finally {
      // Gone after the rename; and a failure to remove it must not hide how the put ended.
      if (outcome !== "created") attempt(() => this.#library.unlink(temporary));
    }
  }

  #write(url: string, incoming: Incoming, slice: number): void {
    const buffer = this.#buffer.subarray(0, slice);
    const file = this.#library.open(url, WRITE_FLAGS);
    try {
      for (;;) {
        const bytes = incoming.take(buffer);
        if (bytes === undefined) break;
        this.#writeAll(file, bytes);
        this.#channel.send({ kind: "progress" });
      }
      if (!incoming.isComplete) throw new StageError("call", "EPIPE");
    } finally {
      this.#library.close(file);
    }
  }

  #writeAll(file: number, bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      const written = this.#library.write(file, rest);
      if (written === 0 || written > rest.length) throw new StageError("call", "EIO");
      rest = rest.subarray(written);
    }
  }

  #get({ name, offset, length, slice: sliceLength }: GetRequest): Done {
    const opened = attempt(() => this.#library.open(this.#url(name), constants.O_RDONLY));
    if (opened instanceof CallError) return this.#failGet(name, opened);
    try {
      const size = length === null || length === 0 ? this.#library.size(opened) : undefined;
      const wanted = length ?? size ?? 0;
      if (length === null && wanted > WHOLE_OBJECT_MAX) throw new StageError("size", "EFBIG");
      if (size !== undefined && offset > size) return { kind: "done", endedAt: size };
      this.#channel.send({ kind: "length", length: wanted });
      this.#library.seek(opened, offset);
      let done = 0;
      while (done < wanted) {
        const slice = this.#buffer.subarray(0, Math.min(sliceLength, wanted - done));
        const read = this.#library.read(opened, slice);
        if (read === 0) return { kind: "done", endedAt: offset + done };
        if (read > slice.length) throw new StageError("call", "EIO");
        this.#channel.send({ kind: "data" }, slice.subarray(0, read));
        done += read;
      }
      return { kind: "done" };
    } finally {
      this.#library.close(opened);
    }
  }

  #failGet(name: string, error: CallError): never {
    // Also a folder of that name, which servers refuse to open in several ways.
    if (this.#statObject(name) === undefined) throw new StageError("missing", error.errno);
    throw error;
  }

  /** Undefined when nothing of that name is there, or a folder. */
  #statObject(name: string): FileInfo | undefined {
    const info = attempt(() => this.#library.stat(this.#url(name)));
    if (!(info instanceof CallError)) return info.isFolder ? undefined : info;
    if (!MISSING.has(info.errno)) throw info;
    this.#checkBase();
    return undefined;
  }

  #delete(name: string): Done {
    const failed = attempt(() => this.#library.unlink(this.#url(name)));
    if (failed instanceof CallError && this.#statObject(name) !== undefined) throw failed;
    return { kind: "done" };
  }

  #list(folders: readonly string[]): Done {
    const waiting = [...folders];
    let count = 0;
    while (count < PAGE_OBJECTS) {
      const folder = waiting.pop();
      if (folder === undefined) break;
      let objects: ListedObject[] = [];
      for (const entry of this.#readFolder(folder)) {
        const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
        if (!isObjectName(name)) continue;
        if (entry.isFolder) waiting.push(name);
        else objects.push([name, entry.size, entry.modifiedMs]);
        if (objects.length < OBJECTS_MAX) continue;
        this.#channel.send({ kind: "objects", objects });
        count += objects.length;
        objects = [];
      }
      count += objects.length;
      this.#channel.send({ kind: "objects", objects });
    }
    return { kind: "done", folders: waiting };
  }

  *#readFolder(folder: string): ReturnType<SmbLibrary["list"]> {
    try {
      yield* this.#library.list(folder === "" ? this.#base : this.#url(folder));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (!MISSING.has(error.errno)) throw error;
      this.#checkBase();
    }
  }

  /** By the server's clock: the file that was just written is from now. What cannot be swept takes space only. */
  #sweep(newest: string): void {
    attempt(() => {
      const oldest = this.#library.stat(newest).modifiedMs - DAY_MS;
      const old: string[] = [];
      for (const { name, isFolder, modifiedMs } of this.#library.list(this.#url(TEMPORARY_FOLDER))) {
        if (old.length >= SWEEP_MAX) break;
        if (!isFolder && modifiedMs < oldest && TEMPORARY_NAME.test(name)) old.push(name);
      }
      for (const name of old) attempt(() => this.#library.unlink(this.#url(`${TEMPORARY_FOLDER}/${name}`)));
    });
  }

  #ensureFolder(folder: string): void {
    if (folder === "." || this.#folders.has(folder)) return;
    this.#ensureFolder(dirname(folder));
    this.#makeFolder(this.#url(folder));
    this.#folders.add(folder);
  }

  #makeFolder(url: string): void {
    const failed = attempt(() => this.#library.makeFolder(url));
    if (failed instanceof CallError && failed.errno !== "EEXIST") throw failed;
  }

  #url(name: string): string {
    return `${this.#base}/${name}`;
  }
}

function attempt<T>(call: () => T): T | CallError {
  try {
    return call();
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}
