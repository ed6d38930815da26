/**
 * libsmbclient (libsmbclient.so.0, Samba 4.13 or newer: `source3/include/libsmbclient.h`), through koffi. Only helper
 * processes load it: see smb-driver.ts.
 *
 * @module
 */
import { createRequire } from "node:module";
import { constants } from "node:os";
import process from "node:process";
import type Koffi from "koffi";
import { isEncrypted } from "./encryption-proof.ts";
import type { ConnectRequest } from "./messages.ts";
import {
  CallError,
  decodeStat,
  decodeVolume,
  errnoName,
  type FileInfo,
  type FolderEntry,
  parseEntry,
  type VolumeInfo,
} from "./native-values.ts";

const LIBRARY = "libsmbclient.so.0";
/** Some of Samba's functions keep whole buffers on the stack. */
const STACK_LENGTH = 8 * 1024 * 1024;
/** More than `struct stat` and `struct statvfs` have on any processor. */
const STRUCTURE_LENGTH = 256;

/** `smbc_share_mode`. */
const DENY_ALL = 1;
const DENY_NONE = 4;
/** `smbc_smb_encrypt_level`. Without one of them, too, the library requires signing. */
const ENCRYPT = { desired: 1, required: 2 } as const;
/** At this level of its log the library says that the server took the user and the password, in these words. */
const LOG_LEVEL_CONNECTING = 4;
const LOGGED_IN = "session setup ok";
/** Of the buffer that the library lends for a password, with its NUL. */
const PASSWORD_BUFFER_LENGTH = 256;

type Value = number | bigint | string | Uint8Array | null;
type NativeFunction = (...values: readonly Value[]) => unknown;
type Callback = (...values: readonly unknown[]) => unknown;

/** The library, or koffi, is not there, or too old. */
export class LibraryError extends Error {}

/**
 * Rights are looked at when a file is opened. A server that denies one of these afterwards has got a request whose signature
 * does not match (MS-SMB2 3.3.5.2.4): it was altered on its way.
 */
const OF_OPEN_FILE: ReadonlySet<string> = new Set(["smbc_fstat", "smbc_read", "smbc_write", "smbc_close"]);

/** One context, for one connection. Calls throw {@link CallError}. */
export class SmbLibrary {
  readonly #koffi: typeof Koffi;
  readonly #functions = new Map<string, NativeFunction>();
  readonly #library: ReturnType<typeof Koffi.load>;
  readonly #fileInfo: ReturnType<typeof Koffi.struct>;
  readonly #context: bigint;
  #password: Uint8Array | undefined;
  #isLoggedIn = false;

  /**
   * @param configuration path of what is read instead of smb.conf.
   * @throws LibraryError
   */
  constructor(request: ConnectRequest, configuration: string) {
    this.#koffi = loadKoffi();
    this.#koffi.config({ sync_stack_size: STACK_LENGTH });
    try {
      this.#library = this.#koffi.load(LIBRARY);
    } catch (error) {
      throw new LibraryError(`${LIBRARY} cannot be loaded.`, { cause: error });
    }
    this.#fileInfo = this.#koffi.struct({
      size: "uint64_t",
      attributes: "uint16_t",
      uid: "uint32_t",
      gid: "uint32_t",
      createdSeconds: "int64_t",
      createdNanoseconds: "int64_t",
      modifiedSeconds: "int64_t",
      modifiedNanoseconds: "int64_t",
      accessedSeconds: "int64_t",
      accessedNanoseconds: "int64_t",
      changedSeconds: "int64_t",
      changedNanoseconds: "int64_t",
      name: "const char *",
      shortName: "void *",
    });
    this.#context = this.#newContext(request, configuration);
  }

  /**
   * From now on there is the one connection that was made, or none: the library is told that it is always good, and must
   * not be removed. Otherwise it would make a new one in the midst of what only holds on one, such as a lock.
   */
  forbidReconnecting(): void {
    this.#password = undefined;
    this.#set("smbc_setDebug", "int", 0);
    const types = ["void *", "void *"];
    this.#setCallback(this.#context, "smbc_setFunctionCheckServer", "int", types, () => 0);
    this.#setCallback(this.#context, "smbc_setFunctionRemoveUnusedServer", "int", types, () => 1);
  }

  /** Whether the server has taken the user and the password. */
  get isLoggedIn(): boolean {
    return this.#isLoggedIn;
  }

  /** @param missing URL of something that is not there. */
  isEncrypted(port: number, missing: string): boolean {
    return isEncrypted(this.#koffi, port, () => {
      try {
        this.stat(missing);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
      }
    });
  }

  stat(url: string): FileInfo {
    const stats = Buffer.alloc(STRUCTURE_LENGTH);
    this.#call("smbc_stat", "int", "const char *, void *", url, stats);
    return decodeStat(stats);
  }

  /** @param exclusive nobody else has the file open now, nor may open it as long as this one does. */
  open(url: string, flags: number, exclusive = false): number {
    this.#set("smbc_setOptionOpenShareMode", "int", exclusive ? DENY_ALL : DENY_NONE);
    return this.#call("smbc_open", "int", "const char *, int, uint32_t", url, flags, 0o600);
  }

  size(file: number): number {
    const stats = Buffer.alloc(STRUCTURE_LENGTH);
    this.#call("smbc_fstat", "int", "int, void *", file, stats);
    return decodeStat(stats).size;
  }

  seek(file: number, offset: number): void {
    this.#call("smbc_lseek", "int64_t", "int, int64_t, int", file, offset, 0);
  }

  read(file: number, into: Uint8Array): number {
    return this.#call("smbc_read", "int64_t", "int, void *, size_t", file, into, into.length);
  }

  write(file: number, bytes: Uint8Array): number {
    return this.#call("smbc_write", "int64_t", "int, const void *, size_t", file, bytes, bytes.length);
  }

  close(file: number): void {
    this.#call("smbc_close", "int", "int", file);
  }

  /** DELETES what has the new name already, if anything has: see publish.ts. */
  replacingRename(from: string, to: string): void {
    this.#call("smbc_rename", "int", "const char *, const char *", from, to);
  }

  unlink(url: string): void {
    this.#call("smbc_unlink", "int", "const char *", url);
  }

  makeFolder(url: string): void {
    this.#call("smbc_mkdir", "int", "const char *, uint32_t", url, 0o700);
  }

  /** The library has read the whole folder before the first entry comes. */
  *list(url: string): Generator<FolderEntry> {
    // Some of its failures leave the error number alone.
    this.#koffi.errno(constants.errno.EIO);
    const folder = this.#call("smbc_opendir", "int", "const char *", url);
    try {
      const next = this.#declare("smbc_readdirplus", "void *", "uint32_t");
      for (;;) {
        this.#koffi.errno(0);
        const pointer = next(folder);
        if (typeof pointer !== "bigint") {
          if (this.#koffi.errno() !== 0) throw this.#failure("smbc_readdirplus");
          return;
        }
        const decoded: unknown = this.#koffi.decode(pointer, this.#fileInfo);
        yield parseEntry(decoded);
      }
    } finally {
      this.#call("smbc_closedir", "int", "int", folder);
    }
  }

  volume(url: string): VolumeInfo {
    const stats = Buffer.alloc(STRUCTURE_LENGTH);
    this.#call("smbc_statvfs", "int", "const char *, void *", url, stats);
    return decodeVolume(stats);
  }

  #newContext(request: ConnectRequest, configuration: string): bigint {
    const context = this.#declare("smbc_new_context", "void *", "")();
    if (typeof context !== "bigint") throw new LibraryError("It gives no context.");
    const set = (name: string, type: string, value: number | string): void => {
      this.#declare(name, "void", `void *, ${type}`)(context, value);
    };
    const log = (_private: unknown, _level: unknown, message: unknown): void => {
      if (typeof message === "string" && message.includes(LOGGED_IN)) this.#isLoggedIn = true;
    };
    this.#setLogCallback(context, log);
    set("smbc_setDebug", "int", LOG_LEVEL_CONNECTING);
    set("smbc_setTimeout", "int", request.timeoutMs);
    set("smbc_setUser", "const char *", request.user);
    if (request.domain !== undefined) set("smbc_setWorkgroup", "const char *", request.domain);
    set("smbc_setOptionNoAutoAnonymousLogin", "int", 1);
    set("smbc_setOptionUseKerberos", "int", request.kerberos ? 1 : 0);
    set("smbc_setOptionFallbackAfterKerberos", "int", 0);
    set("smbc_setOptionUseCCache", "int", 0);
    if (request.encrypt !== undefined) {
      set("smbc_setOptionSmbEncryptionLevel", "int", ENCRYPT[request.encrypt]);
    }
    this.#password = Buffer.from(request.password);
    const lent = ["void *", "int"];
    const types = ["void *", "void *", "void *", ...lent, ...lent, ...lent];
    this.#setCallback(context, "smbc_setFunctionAuthDataWithContext", "void", types, this.#lendPassword);
    if (typeof this.#declare("smbc_init_context", "void *", "void *")(context) !== "bigint") {
      throw new LibraryError("It cannot be initialised.");
    }
    // Once more, and with a check this time, what the home folder of this process made it read already.
    if (this.#declare("smbc_setConfiguration", "int", "void *, const char *")(context, configuration) !== 0) {
      throw new LibraryError("It does not read its settings.");
    }
    const protocols = this.#declare("smbc_setOptionProtocols", "int", "void *, const char *, const char *");
    if (protocols(context, "SMB2_02", "SMB3_11") === 0) throw new LibraryError("It refuses SMB 2 and 3.");
    this.#declare("smbc_set_context", "void *", "void *")(context);
    return context;
  }

  /** The library has filled in the domain and the user before it asks. */
  readonly #lendPassword: Callback = (...values) => {
    const pointer = values[7];
    const length = values[8];
    if (this.#password === undefined || typeof pointer !== "bigint" || typeof length !== "number") return;
    const buffer = new Uint8Array(this.#koffi.view(pointer, Math.min(length, PASSWORD_BUFFER_LENGTH)));
    if (this.#password.length >= buffer.length) return;
    buffer.fill(0);
    buffer.set(this.#password);
  };

  #set(name: string, type: string, value: number): void {
    this.#declare(name, "void", `void *, ${type}`)(this.#context, value);
  }

  #setCallback(context: bigint, name: string, result: string, types: string[], callback: Callback): void {
    const type = this.#koffi.proto(result, types);
    const pointer = this.#koffi.register(callback, this.#koffi.pointer(type));
    this.#declare(name, "void", "void *, void *")(context, pointer);
  }

  #setLogCallback(context: bigint, callback: Callback): void {
    const type = this.#koffi.proto("void", ["void *", "int", "const char *"]);
    const pointer = this.#koffi.register(callback, this.#koffi.pointer(type));
    const set = this.#declare("smbc_setLogCallback", "void", "void *, void *, void *");
    set(context, null, pointer);
  }

  #declare(name: string, result: string, parameters: string): NativeFunction {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    try {
      const made: NativeFunction = this.#library.func(
        name,
        result,
        parameters === "" ? [] : parameters.split(", "),
      );
      this.#functions.set(name, made);
      return made;
    } catch (error) {
      throw new LibraryError(`${LIBRARY} has no ${name}: it is too old.`, { cause: error });
    }
  }

  #call(name: string, result: string, parameters: string, ...values: readonly Value[]): number {
    const returned = Number(this.#declare(name, result, parameters)(...values));
    if (!(returned >= 0)) throw this.#failure(name);
    return returned;
  }

  #failure(call: string): CallError {
    const errno = errnoName(this.#koffi.errno());
    return new CallError(call, errno === "EACCES" && OF_OPEN_FILE.has(call) ? "EIO" : errno);
  }
}

/** @throws LibraryError */
function loadKoffi(): typeof Koffi {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    throw new LibraryError("Only Linux on x64 and arm64 is served.");
  }
  try {
    // Required, not imported: the package is native and may be absent.
    const koffi: unknown = createRequire(import.meta.url)("koffi");
    if (isKoffi(koffi)) return koffi;
  } catch (error) {
    throw new LibraryError("The package koffi cannot be loaded.", { cause: error });
  }
  throw new LibraryError("The package koffi is another one.");
}

function isKoffi(module: unknown): module is typeof Koffi {
  return typeof module === "object" && module !== null && "load" in module && "errno" in module;
}
