/**
 * What a copy gives back: a listing to compare with, and files in a folder.
 *
 *     node test/reader/main.ts REPOSITORY KEY_FILE [COPY TARGET]
 *
 * Lists the copies, or restores one. The key file holds the passphrase, or the recovery seed as 32 bytes; it may be empty.
 *
 * @module
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { concat, must, refuse } from "./decode.ts";
import { type Copy, entriesOf, listCopies, openRepository, piecesOf, type Repository } from "./repository.ts";
import { type Entry, pathOf } from "./tree.ts";

/** Finds a copy by its id or an unambiguous beginning of it. */
function findCopy(repository: Repository, id: string): Copy {
  const [copy, ...others] = listCopies(repository).filter((each) => each.id.startsWith(id));
  must(copy?.kind === "files" && others.length === 0, `copy ${id}: no copy of files, or several`);
  return copy;
}

/** Names are bytes: what is not UTF-8 (or looks like this escape) is written as `hex:` and its bytes in hex. */
function shown(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  const isText = Buffer.from(text).equals(bytes) && !text.startsWith("hex:");
  return isText ? text : `hex:${bytes.toString("hex")}`;
}

/** The first name of the same file (section 7, flag 2); undefined for that name itself. */
function firstNameOf(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  if (entry.inode === undefined || entry.kind === "directory") return undefined;
  const first = entries.find(({ inode, kind }) => inode === entry.inode && kind !== "directory");
  return first === entry ? undefined : first;
}

function digestOf(repository: Repository, { content }: Entry): string {
  const digest = createHash("sha256");
  for (const { bytes } of piecesOf(repository, content)) digest.update(bytes);
  return digest.digest("hex");
}

export type ListedEntry = Readonly<ReturnType<typeof describe>>;

/** One line of a listing: plain data. Fields that an entry does not have are absent. */
function describe(repository: Repository, entry: Entry, entries: readonly Entry[]) {
  const { kind, mode, uid, gid, user, group, mtimeNs, incomplete, attributes, size, target, device } = entry;
  const first = firstNameOf(entry, entries);
  const hexes = attributes.map(({ name, value }) => [shown(name), value.toString("hex")] as const);
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

function writeFile(repository: Repository, { content, size }: Entry, path: Buffer): void {
  fs.writeFileSync(path, "", { flag: "wx", mode: 0o600 });
  fs.truncateSync(path, size);
  const file = fs.openSync(path, "r+");
  let position = 0;
  for (const { bytes, isHole } of piecesOf(repository, content)) {
    const written = isHole ? bytes.length : fs.writeSync(file, bytes, 0, bytes.length, position);
    must(written === bytes.length, `${shown(path)}: not written whole`);
    position += written;
  }
  fs.closeSync(file);
}

/**
 * Restores files, directories, symbolic links and hard links with modes and times into an empty or new folder. Owners
 * and attributes are not restored. Returns the paths of FIFOs, sockets and devices, which are left out.
 */
export function restoreTo(repository: Repository, copyId: string, target: string): readonly string[] {
  const entries = entriesOf(repository, findCopy(repository, copyId));
  fs.mkdirSync(target, { recursive: true });
  must(fs.readdirSync(target).length === 0, `${target}: not empty`);
  const placeOf = (entry: Entry): Buffer => concat(Buffer.from(`${target}/`), pathOf(entry));
  const isRestored = ({ kind }: Entry): boolean => /^(file|directory|symbolic link)$/u.test(kind);
  for (const entry of entries.filter(isRestored)) {
    const [path, first] = [placeOf(entry), firstNameOf(entry, entries)];
    if (entry.kind === "directory") fs.mkdirSync(path, { mode: 0o700 });
    else if (first !== undefined) fs.linkSync(placeOf(first), path);
    else if (entry.target !== undefined) fs.symlinkSync(entry.target, path);
    else writeFile(repository, entry, path);
  }
  // Last, and the deepest first: what is written into a directory changes its time, and its mode may forbid it.
  for (const entry of entries.filter(isRestored).toReversed()) {
    // As a string, for a number below 0 would become the time of now.
    const seconds = String(Number(entry.mtimeNs) / 1e9);
    if (entry.kind !== "symbolic link") fs.chmodSync(placeOf(entry), entry.mode);
    fs.lutimesSync(placeOf(entry), seconds, seconds);
  }
  return entries.filter((entry) => !isRestored(entry)).map((entry) => shown(pathOf(entry)));
}

if (import.meta.main) {
  const [folder = refuse("REPOSITORY KEY_FILE [COPY TARGET] wanted"), keyFile = "", copy, target = ""] =
    process.argv.slice(2);
  const key = fs.readFileSync(keyFile);
  const secret =
    key.length === 32 ? key : Buffer.from(key.toString("latin1").replace(/\r?\n$/u, ""), "latin1");
  const repository = openRepository(folder, secret.length === 0 ? undefined : secret);
  const shownCopies = (): unknown =>
    listCopies(repository).map(({ id, host, timeMs }) => ({ id, host, timeMs }));
  const done = copy === undefined ? shownCopies() : { leftOut: restoreTo(repository, copy, target) };
  process.stdout.write(`${JSON.stringify(done, undefined, 2)}\n`);
}
