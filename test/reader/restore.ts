/**
 * What a copy gives back: a listing to compare with, and files in a folder.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { contentOf, entriesOf, listCopies, pathOf, type Piece, type Repository } from "./repository.ts";
import type { Copy } from "./copies.ts";
import { FormatError } from "./object.ts";
import type { Entry } from "./tree.ts";

/** Zeros are handed on in pieces of 1 MiB, so that a large hole needs no large buffer. */
const ZEROS = Buffer.alloc(1024 * 1024);

/** Finds a copy by its id or an unambiguous beginning of it. */
export function findCopy(repository: Repository, id: string): Copy {
  const [copy, ...others] = listCopies(repository).filter((each) => each.id.startsWith(id));
  if (copy === undefined || others.length > 0) throw new FormatError(`copy ${id}`, "no copy, or several");
  if (copy.kind !== "files") throw new FormatError(`copy ${copy.id}`, "a disk has no entries");
  return copy;
}

/** Names are bytes: what is not UTF-8 (or looks like this escape) is written as `hex:` and its bytes in hex. */
function bytesToText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) && !text.startsWith("hex:")
    ? text
    : `hex:${bytes.toString("hex")}`;
}

function* bytesOf({ kind, length, ...piece }: Piece): Generator<Buffer> {
  if (kind === "data" && "bytes" in piece) yield piece.bytes;
  else
    for (let left = length; left > 0; left -= ZEROS.length)
      yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

function digestOf(repository: Repository, entry: Entry): string {
  const hash = createHash("sha256");
  for (const piece of contentOf(repository, entry)) {
    for (const bytes of bytesOf(piece)) hash.update(bytes);
  }
  return hash.digest("hex");
}

/** One line of a listing: plain data. Fields that a kind of entry does not have are absent. */
export interface ListedEntry {
  readonly path: string;
  readonly kind: Entry["kind"];
  /** Octal, four digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly mtimeNs: string;
  readonly incomplete: boolean;
  /** Name (as `path`) to value in hex; absent if there are none. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Path of the first name of the same file; absent in that first name itself and if there is only one. */
  readonly linkTo?: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
}

function describe(repository: Repository, entry: Entry, linkTo: string | undefined): ListedEntry {
  const { kind, uid, gid, user, group, incomplete, attributes, size, target, device } = entry;
  const hexOfAttributes = attributes.map(
    ([name, value]) => [bytesToText(name), value.toString("hex")] as const,
  );
  return {
    path: bytesToText(pathOf(entry)),
    kind,
    mode: entry.mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    user,
    group,
    mtimeNs: String(entry.mtimeNs),
    incomplete,
    ...(attributes.length > 0 && { attributes: Object.fromEntries(hexOfAttributes) }),
    ...(linkTo !== undefined && { linkTo }),
    ...(kind === "file" && { size, sha256: digestOf(repository, entry) }),
    ...(target !== undefined && { target: bytesToText(target) }),
    ...(device !== undefined && { device: `${device.major}:${device.minor}` }),
  };
}

/** Remembers the first name of every file with several names; returns it for the later ones. */
function linkFinder(): (entry: Entry) => Entry | undefined {
  const firstNames = new Map<string, Entry>();
  return (entry) => {
    if (entry.inode === undefined || entry.kind === "directory") return undefined;
    const first = firstNames.get(entry.inode);
    if (first === undefined) firstNames.set(entry.inode, entry);
    return first;
  };
}

/** Describes every entry of a copy, in the order of the copy. */
export function listing(repository: Repository, copyId: string): readonly ListedEntry[] {
  const firstNameOf = linkFinder();
  const listed: ListedEntry[] = [];
  for (const entry of entriesOf(repository, findCopy(repository, copyId))) {
    const first = firstNameOf(entry);
    listed.push(describe(repository, entry, first && bytesToText(pathOf(first))));
  }
  return listed;
}

function writeFile(repository: Repository, entry: Entry, path: Buffer): void {
  const file = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(file, entry.size);
    let position = 0;
    for (const piece of contentOf(repository, entry)) {
      // A hole is what nobody writes to.
      if (piece.kind === "hole") position += piece.length;
      else for (const bytes of bytesOf(piece)) position += writeSync(file, bytes, 0, bytes.length, position);
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Node.js takes times as seconds in floating point: what is below some hundred nanoseconds is lost. Given as a string,
 * a time before 1970 is taken, too; as a number it would become the time of now.
 */
function setModeAndTime({ kind, mode, mtimeNs }: Entry, path: Buffer): void {
  const seconds = String(Number(mtimeNs) / 1e9);
  if (kind === "symbolic link") {
    lutimesSync(path, seconds, seconds);
    return;
  }
  chmodSync(path, mode);
  utimesSync(path, seconds, seconds);
}

/**
 * Restores files, directories, symbolic links and hard links with modes and times into an empty or new folder. Owners
 * and attributes are not restored. Returns the paths of FIFOs, sockets and devices, which are left out.
 */
export function restoreTo(repository: Repository, copyId: string, target: string): readonly string[] {
  const copy = findCopy(repository, copyId);
  mkdirSync(target, { recursive: true });
  if (readdirSync(target).length > 0) throw new FormatError(target, "not empty");
  const leftOut: string[] = [];
  const directories: (readonly [Entry, Buffer])[] = [];
  const firstNameOf = linkFinder();
  const placeOf = (entry: Entry): Buffer => Buffer.concat([Buffer.from(`${target}/`), pathOf(entry)]);
  for (const entry of entriesOf(repository, copy)) {
    const path = placeOf(entry);
    if (entry.kind === "directory") {
      mkdirSync(path, { mode: 0o700 });
      directories.push([entry, path]);
    } else if (entry.kind === "file" || entry.kind === "symbolic link") {
      const first = firstNameOf(entry);
      if (first !== undefined) {
        linkSync(placeOf(first), path);
        continue;
      }
      if (entry.kind === "file") writeFile(repository, entry, path);
      else symlinkSync(entry.target ?? "", path);
      setModeAndTime(entry, path);
    } else {
      leftOut.push(bytesToText(pathOf(entry)));
    }
  }
  // Last, and the deepest first: what is written into a directory changes its time, and its mode may forbid it.
  for (const [entry, path] of directories.toReversed()) setModeAndTime(entry, path);
  return leftOut;
}
