/**
 * An SFTP server of version 3 without any extension, in this process and in memory: what OpenSSH's server cannot be made to
 * do in a test. Its RENAME replaces what is there, as on many servers.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { posix } from "node:path";
import ssh2 from "ssh2";
import type { AuthContext, Connection, ParsedKey, SFTPWrapper } from "ssh2";

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;
const HOME = "/home/user";
const FILE_MODE = 0o100600;
const FOLDER_MODE = 0o040700;
const ENTRIES_A_READ = 10;

interface File {
  /** Grows ahead of what is written. */
  room: Buffer;
  size: number;
  readonly modified: number;
}

interface Handle {
  readonly path: string;
  readonly entries: string[] | undefined;
}

interface Attributes {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  atime: number;
  mtime: number;
}

export interface MemorySftpOptions {
  /** Ask for the password by a question, as servers with PAM do. */
  readonly interactive?: boolean;
  /** Type of the host's key. */
  readonly keyType?: "ed25519" | "rsa";
}

export class MemorySftpServer implements AsyncDisposable {
  readonly files = new Map<string, File>();
  readonly folders = new Set<string>(["/", "/home", HOME]);
  password = "pass-word";
  /** Requests that are never answered, by the names of the library's events. */
  readonly stalled = new Set<string>();
  /** Sizes to be told instead of the true ones. */
  readonly lies = new Map<string, number>();
  /** Sent instead of any answer, as soon as the subsystem is asked for. */
  nonsense: Buffer | undefined;
  readonly connections = new Set<Connection>();
  attempts = 0;
  readonly #server: InstanceType<typeof ssh2.Server>;
  readonly #hostKey: Buffer;

  constructor(options: MemorySftpOptions = {}) {
    const { text, key } = makeHostKey(options.keyType ?? "ed25519");
    this.#hostKey = key.getPublicSSH();
    this.#server = new ssh2.Server({ hostKeys: [text] }, (connection) => {
      this.#serve(connection, options.interactive === true);
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get port(): number {
    const address: unknown = this.#server.address();
    assert(typeof address === "object" && address !== null && "port" in address);
    return Number(address.port);
  }

  get knownHostsLine(): string {
    const type = this.#hostKey.toString("latin1", 4, 4 + this.#hostKey.readUInt32BE(0));
    return `[127.0.0.1]:${String(this.port)} ${type} ${this.#hostKey.toString("base64")}\n`;
  }

  get hostKey(): Buffer {
    return this.#hostKey;
  }

  url(path: string): string {
    return `sftp://user@127.0.0.1:${String(this.port)}${path}`;
  }

  dropConnections(): void {
    for (const connection of this.connections) connection.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropConnections();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #serve(connection: Connection, interactive: boolean): void {
    this.connections.add(connection);
    // The types of the library have it for clients only.
    const setNoDelay: unknown = Reflect.get(connection, "setNoDelay");
    if (typeof setNoDelay === "function") Reflect.apply(setNoDelay, connection, [true]);
    connection.on("error", () => undefined);
    connection.on("close", () => {
      this.connections.delete(connection);
    });
    connection.on("authentication", (context) => {
      this.#authenticate(context, interactive);
    });
    connection.on("session", (accept) => {
      const session = accept();
      if (this.nonsense === undefined) session.on("sftp", (acceptSftp) => this.#answer(acceptSftp()));
      else session.on("subsystem", (acceptStream) => acceptStream().write(this.nonsense));
    });
  }

  #authenticate(context: AuthContext, interactive: boolean): void {
    this.attempts += 1;
    if (context.method === "password" && !interactive) {
      if (context.password === this.password) context.accept();
      else context.reject(["password"]);
    } else if (context.method === "keyboard-interactive" && interactive) {
      context.prompt([{ prompt: "Password: ", echo: false }], (answers) => {
        if (answers[0] === this.password) context.accept();
        else context.reject(["keyboard-interactive"]);
      });
    } else context.reject([interactive ? "keyboard-interactive" : "password"]);
  }

  #answer(sftp: SFTPWrapper): void {
    const handles = new Map<number, Handle>();
    let nextHandle = 0;
    const open = (path: string, entries?: string[]): Buffer => {
      nextHandle += 1;
      handles.set(nextHandle, { path, entries });
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(nextHandle);
      return handle;
    };
    const opened = (handle: Buffer): Handle => {
      const found = handles.get(handle.readUInt32BE());
      assert(found !== undefined);
      return found;
    };
    this.#answerFiles(sftp, open, opened);
    this.#answerFolders(sftp, open, opened);
    this.#answerNames(sftp);
    this.#on(sftp, "CLOSE", (id, handle: Buffer) => {
      handles.delete(handle.readUInt32BE());
      sftp.status(id, STATUS_CODE.OK);
    });
  }

  #answerFiles(sftp: SFTPWrapper, open: (path: string) => Buffer, opened: (handle: Buffer) => Handle): void {
    this.#on(sftp, "OPEN", (id, path: string, flags: number) => {
      const there = this.files.has(path);
      const exclusive = (flags & OPEN_MODE.EXCL) !== 0;
      if (exclusive ? there || this.folders.has(path) : !there) {
        sftp.status(id, there ? STATUS_CODE.FAILURE : STATUS_CODE.NO_SUCH_FILE);
      } else if (!this.folders.has(posix.dirname(path))) sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      else {
        if (exclusive) this.files.set(path, { room: Buffer.alloc(0), size: 0, modified: now() });
        sftp.handle(id, open(path));
      }
    });
    this.#on(sftp, "WRITE", (id, handle: Buffer, offset: number, data: Buffer) => {
      const file = this.files.get(opened(handle).path);
      if (file === undefined) return sftp.status(id, STATUS_CODE.FAILURE);
      const end = offset + data.length;
      if (end > file.room.length) file.room = Buffer.concat([file.room], 2 * end);
      data.copy(file.room, offset);
      file.size = Math.max(file.size, end);
      return sftp.status(id, STATUS_CODE.OK);
    });
    this.#on(sftp, "READ", (id, handle: Buffer, offset: number, length: number) => {
      const file = this.files.get(opened(handle).path);
      const content = file?.room.subarray(0, file.size) ?? Buffer.alloc(0);
      if (offset >= content.length) return sftp.status(id, STATUS_CODE.EOF);
      // Less than was asked for, as the protocol allows.
      const some = Math.max(1, Math.ceil(length * 0.7));
      return sftp.data(id, content.subarray(offset, offset + some));
    });
    this.#on(sftp, "FSTAT", (id, handle: Buffer) => {
      this.#attributes(sftp, id, opened(handle).path);
    });
  }

  #answerFolders(
    sftp: SFTPWrapper,
    open: (path: string, entries: string[]) => Buffer,
    opened: (handle: Buffer) => Handle,
  ): void {
    this.#on(sftp, "OPENDIR", (id, path: string) => {
      if (!this.folders.has(path)) return sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      const inside = [...this.files.keys(), ...this.folders].filter(
        (each) => each !== "/" && posix.dirname(each) === path,
      );
      return sftp.handle(id, open(path, [".", "..", ...inside]));
    });
    this.#on(sftp, "READDIR", (id, handle: Buffer) => {
      const some = opened(handle).entries?.splice(0, ENTRIES_A_READ) ?? [];
      if (some.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const entries = some.map((each) => ({
        filename: posix.basename(each),
        longname: each,
        attrs: this.#find(each) ?? folderAttributes(),
      }));
      return sftp.name(id, entries);
    });
    this.#on(sftp, "MKDIR", (id, path: string) => {
      const taken = this.folders.has(path) || this.files.has(path);
      if (taken) return sftp.status(id, STATUS_CODE.FAILURE);
      if (!this.folders.has(posix.dirname(path))) return sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      this.folders.add(path);
      return sftp.status(id, STATUS_CODE.OK);
    });
  }

  #answerNames(sftp: SFTPWrapper): void {
    const stat = (id: number, path: string): void => {
      this.#attributes(sftp, id, path);
    };
    this.#on(sftp, "LSTAT", stat);
    this.#on(sftp, "STAT", stat);
    this.#on(sftp, "REALPATH", (id, path: string) => {
      const filename = posix.resolve(HOME, path);
      sftp.name(id, [{ filename, longname: filename, attrs: folderAttributes() }]);
    });
    this.#on(sftp, "REMOVE", (id, path: string) => {
      sftp.status(id, this.files.delete(path) ? STATUS_CODE.OK : STATUS_CODE.NO_SUCH_FILE);
    });
    this.#on(sftp, "RENAME", (id, from: string, to: string) => {
      const file = this.files.get(from);
      if (file === undefined) return sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      this.files.delete(from);
      this.files.set(to, file);
      return sftp.status(id, STATUS_CODE.OK);
    });
  }

  /** Answers come later than at once, so that requests of several connections mix. */
  #on(sftp: SFTPWrapper, event: string, answer: (id: number, ...rest: never[]) => void): void {
    sftp.on(event, (id: number, ...rest: never[]) => {
      if (this.stalled.has(event)) return;
      setImmediate(() => {
        answer(id, ...rest);
      });
    });
  }

  #attributes(sftp: SFTPWrapper, id: number, path: string): void {
    const found = this.#find(path);
    if (found === undefined) sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
    else sftp.attrs(id, found);
  }

  #find(path: string): Attributes | undefined {
    const file = this.files.get(path);
    if (file === undefined) return this.folders.has(path) ? folderAttributes() : undefined;
    const size = this.lies.get(path) ?? file.size;
    return { mode: FILE_MODE, uid: 0, gid: 0, size, atime: file.modified, mtime: file.modified };
  }
}

/** The library's generator sometimes makes an Ed25519 key that is one byte too short, which nobody can read. */
function makeHostKey(type: "ed25519" | "rsa"): { readonly text: string; readonly key: ParsedKey } {
  for (;;) {
    const { private: text } =
      type === "rsa"
        ? ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 })
        : ssh2.utils.generateKeyPairSync("ed25519");
    const key = ssh2.utils.parseKey(text);
    if (!(key instanceof Error)) return { text, key };
  }
}

function folderAttributes(): Attributes {
  return { mode: FOLDER_MODE, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
