/**
 * What a server says of files, checked: attributes are optional in SFTP version 3 (draft-02 section 5), and numbers may be
 * anything.
 *
 * @module
 */
import { type FileSystemState, SftpStatusError, STATUS } from "./failures.ts";

const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_FOLDER = 0o040000;
/** SSH_FXE_STATVFS_ST_RDONLY of OpenSSH's PROTOCOL, section 4.3. */
const READ_ONLY_FLAG = 1;
const NAME_LENGTH_MAX = 255;

export interface RemoteFile {
  /** Undefined when the server does not say. */
  readonly kind: "file" | "folder" | "other" | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  /** Milliseconds since the epoch; whole seconds. */
  readonly modifiedMs: number | undefined;
}

export interface RemoteEntry extends RemoteFile {
  readonly name: string;
}

/** @throws {SftpStatusError} when these are no attributes. */
export function toFile(value: unknown): RemoteFile {
  if (typeof value !== "object" || value === null) throw senseless("no attributes");
  const mode = numberOf(value, "mode");
  const seconds = numberOf(value, "mtime");
  return {
    kind: mode === undefined ? undefined : kindOf(mode),
    size: numberOf(value, "size"),
    modifiedMs: seconds === undefined ? undefined : seconds * 1000,
  };
}

/** @throws {SftpStatusError} when this is no list of entries. */
export function toEntries(value: unknown): readonly RemoteEntry[] {
  if (!Array.isArray(value)) throw senseless("no list");
  const items: readonly unknown[] = value;
  return items.flatMap((item) => {
    if (typeof item !== "object" || item === null) return [];
    const name: unknown = Reflect.get(item, "filename");
    if (typeof name !== "string" || name.length > NAME_LENGTH_MAX) return [];
    const file = toFile(Reflect.get(item, "attrs"));
    return [{ ...file, kind: file.kind ?? kindByLine(Reflect.get(item, "longname")), name }];
  });
}

/** Null when the numbers make no sense. */
export function toFileSystemState(value: unknown): FileSystemState | null {
  if (typeof value !== "object" || value === null) return null;
  const unit = anyNumberOf(value, "f_frsize");
  const blocks = anyNumberOf(value, "f_bavail");
  const flags = anyNumberOf(value, "f_flag") ?? 0;
  if (unit === undefined || blocks === undefined) return null;
  return { free: Math.min(unit * blocks, Number.MAX_SAFE_INTEGER), readOnly: flags % 2 === READ_ONLY_FLAG };
}

function kindOf(mode: number): RemoteFile["kind"] {
  const type = mode & TYPE_MASK;
  if (type === TYPE_FILE) return "file";
  return type === TYPE_FOLDER ? "folder" : "other";
}

/** The line of `ls -l` that version 3 sends along. */
function kindByLine(line: unknown): RemoteFile["kind"] {
  if (typeof line !== "string" || !/^[a-z-][r-][w-]/.test(line)) return undefined;
  if (line.startsWith("-")) return "file";
  return line.startsWith("d") ? "folder" : "other";
}

function numberOf(object: object, key: string): number | undefined {
  const value = anyNumberOf(object, key);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

function anyNumberOf(object: object, key: string): number | undefined {
  const value: unknown = Reflect.get(object, key);
  return typeof value === "number" && value >= 0 ? value : undefined;
}

function senseless(what: string): SftpStatusError {
  return new SftpStatusError(STATUS.failure, `the server's answer has ${what}`);
}
