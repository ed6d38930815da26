/**
 * What a copy gives back: a listing to compare with, and files in a folder.
 *
 *     node test/reader/main.ts REPOSITORY [--key-file FILE] list | listing COPY | restore COPY TARGET | check
 *
 * The key file holds the passphrase, or the recovery seed as 32 bytes or 64 hex digits.
 *
 * @module
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import { must, refuse } from "./bytes.ts";
import {
  check,
  type Copy,
  entriesOf,
  listCopies,
  openRepository,
  piecesOf,
  type Repository,
} from "./repository.ts";
import { type Entry, pathOf } from "./tree.ts";

/** Finds a copy by its id or an unambiguous beginning of it. */
function findCopy(repository: Repository, id: string): Copy {
  const [copy, ...others] = listCopies(repository).filter((each) => each.id.startsWith(id));
  must(copy !== undefined && others.length === 0, `copy ${id}: no copy, or several`);
  must(copy.kind === "files", `copy ${copy.id}: a disk has no entries`);
  return copy;
}

/** Names are bytes: what is not UTF-8 (or looks like this escape) is written as `hex:` and its bytes in hex. */
function shown(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  const isText = Buffer.from(text).equals(bytes) && !text.startsWith("hex:");
  return isText ? text : `hex:${bytes.toString("hex")}`;
}

/** The bytes of a file in order, with their positions; those of a large hole one MiB at a time. */
function* bytesOf(
  repository: Repository,
  { content }: Entry,
  withHoles: boolean,
): Generator<[Buffer, number]> {
  let position = 0;
  for (const piece of piecesOf(repository, content)) {
    const end = position + piece.length;
    if (piece.kind === "inline") yield [piece.bytes, position];
    else if (piece.kind === "zeros" || withHoles)
      for (; position < end; position += 2 ** 20)
        yield [Buffer.alloc(Math.min(2 ** 20, end - position)), position];
    position = end;
  }
}

function digestOf(repository: Repository, entry: Entry): string {
  const digest = createHash("sha256");
  for (const [bytes] of bytesOf(repository, entry, true)) digest.update(bytes);
  return digest.digest("hex");
}

/** The first name of the same file (section 7, flag 2); undefined for that name itself. */
function firstNameOf(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  if (entry.inode === undefined || entry.kind === "directory") return undefined;
  const first = entries.find(({ inode, kind }) => inode === entry.inode && kind !== "directory");
  return first === entry ? undefined : first;
}

export type ListedEntry = Readonly<ReturnType<typeof describe>>;

/** One line of a listing: plain data. Fields that an entry does not have are absent. */
function describe(repository: Repository, entry: Entry, entries: readonly Entry[]) {
  const { kind, mode, uid, gid, user, group, mtimeNs, incomplete, attributes, size, target, device } = entry;
  const first = firstNameOf(entry, entries);
  const hexes = attributes.map(([name, value]) => [shown(name), value.toString("hex")] as const);
  return {
    path: shown(pathOf(entry)),
    kind,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    user,
    group,
    mtimeNs: String(mtimeNs),
    incomplete,
    ...(hexes.length > 0 && { attributes: Object.fromEntries(hexes) }),
    ...(first !== undefined && { linkTo: shown(pathOf(first)) }),
    ...(kind === "file" && { size, sha256: digestOf(repository, entry) }),
    ...(target !== undefined && { target: shown(target) }),
    ...(device !== undefined && { device }),
  };
}

/** Describes every entry of a copy, in the order of the copy. */
export function listing(repository: Repository, copyId: string): readonly ListedEntry[] {
  const entries = entriesOf(repository, findCopy(repository, copyId));
  return entries.map((entry) => describe(repository, entry, entries));
}

function writeFile(repository: Repository, entry: Entry, path: Buffer): void {
  const file = fs.openSync(path, "wx", 0o600);
  try {
    fs.ftruncateSync(file, entry.size);
    for (const [bytes, position] of bytesOf(repository, entry, false)) {
      const written = fs.writeSync(file, bytes, 0, bytes.length, position);
      must(written === bytes.length, `${shown(path)}: not written whole`);
    }
  } finally {
    fs.closeSync(file);
  }
}

function setModeAndTime({ kind, mode, mtimeNs }: Entry, path: Buffer): void {
  // As a string, for a number below 0 would become the time of now.
  const seconds = String(Number(mtimeNs) / 1e9);
  if (kind === "symbolic link") return fs.lutimesSync(path, seconds, seconds);
  fs.chmodSync(path, mode);
  fs.utimesSync(path, seconds, seconds);
}

/**
 * Restores files, directories, symbolic links and hard links with modes and times into an empty or new folder. Owners
 * and attributes are not restored. Returns the paths of FIFOs, sockets and devices, which are left out.
 */
export function restoreTo(repository: Repository, copyId: string, target: string): readonly string[] {
  const entries = entriesOf(repository, findCopy(repository, copyId));
  fs.mkdirSync(target, { recursive: true });
  must(fs.readdirSync(target).length === 0, `${target}: not empty`);
  const placeOf = (entry: Entry): Buffer => Buffer.concat([Buffer.from(`${target}/`), pathOf(entry)]);
  const isRestored = ({ kind }: Entry): boolean => /^(file|directory|symbolic link)$/u.test(kind);
  const restored = entries.filter(isRestored);
  for (const entry of restored) {
    const [path, first] = [placeOf(entry), firstNameOf(entry, entries)];
    if (entry.kind === "directory") fs.mkdirSync(path, { mode: 0o700 });
    else if (first !== undefined) fs.linkSync(placeOf(first), path);
    else if (entry.target !== undefined) fs.symlinkSync(entry.target, path);
    else writeFile(repository, entry, path);
  }
  // Last, and the deepest first: what is written into a directory changes its time, and its mode may forbid it.
  for (const entry of restored.toReversed()) setModeAndTime(entry, placeOf(entry));
  return entries.filter((entry) => !isRestored(entry)).map((entry) => shown(pathOf(entry)));
}

function readSecret(path: string): Buffer {
  const bytes = fs.readFileSync(path);
  if (bytes.length === 32) return bytes;
  const text = bytes.toString("latin1").replace(/\r?\n$/u, "");
  return Buffer.from(text, /^[0-9a-f]{64}$/u.test(text) ? "hex" : "latin1");
}

function run(repository: Repository, command = "", copy = "", target = ""): unknown {
  const shownCopy = (each: Copy) => ({ ...each, root: each.root.type, paths: each.paths.map(String) });
  if (command === "list") return listCopies(repository).map(shownCopy);
  if (command === "check") {
    const problems = check(repository);
    if (problems.length > 0) process.exitCode = 1;
    return { problems };
  }
  if (command === "listing" && copy !== "") return listing(repository, copy);
  const isRestore = command === "restore" && copy !== "" && target !== "";
  return isRestore ? { leftOut: restoreTo(repository, copy, target) } : refuse(`${command}: wrong command`);
}

if (import.meta.main) {
  const options = { "key-file": { type: "string" } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const keyFile = values["key-file"];
  const [folder = "", ...command] = positionals;
  try {
    const repository = openRepository(folder, keyFile === undefined ? undefined : readSecret(keyFile));
    process.stdout.write(`${JSON.stringify(run(repository, ...command), undefined, 2)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}
