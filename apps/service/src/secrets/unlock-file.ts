/**
 * The unlock file: 32 random bytes, as text of one form, by which the service opens its vault unattended.
 *
 *     HOLDFAST UNLOCK FILE 1
 *     <64 hex digits>
 *     <16 hex digits: the first 8 bytes of SHA-256 of the 32 bytes>
 *
 * It lies outside of the data folder, so that a copy of the data alone opens nothing, and nobody but the service's own user
 * may reach it.
 *
 * @module
 */
import { constants } from "node:fs";
import { type FileHandle, link, lstat, open, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { secretBuffer, SecretBytes, sha256 } from "@holdfast/crypto";
import { AppError, errorCode, makeFolder, type Randomness } from "@holdfast/kernel";

export interface UnlockFilePlace {
  readonly path: string;
  /** Where the service keeps its data; the file must not lie in it. */
  readonly dataFolder: string;
}

const KEY_BYTES = 32;
const CHECK_BYTES = 8;
const TITLE = Buffer.from("HOLDFAST UNLOCK FILE 1\n", "ascii");
const KEY_AT = TITLE.length;
const CHECK_AT = KEY_AT + 2 * KEY_BYTES + 1;
const FILE_BYTES = CHECK_AT + 2 * CHECK_BYTES + 1;
const LINE_FEED = 0x0a;
const OTHERS = 0o077;
/** Windows has neither these modes nor these user ids: there the folder's access list protects the file. */
const HAS_MODES = process.platform !== "win32";

/**
 * Makes the file with a new key, or takes the one that a start left behind which did not get to make its vault.
 *
 * @throws AppError `ERR_UNLOCK_FILE`.
 */
export async function createUnlockFile(place: UnlockFilePlace, randomness: Randomness): Promise<SecretBytes> {
  try {
    await makeFolder(dirname(resolve(place.path)), 0o700);
  } catch (error) {
    throw notMade(place, error);
  }
  await checkPlace(place);
  using key = new SecretBytes(randomness(secretBuffer(KEY_BYTES)));
  using text = new SecretBytes(encode(key.bytes));
  // Whole under its name or not at all: a kill must not leave half a file, nor another process read one.
  const draft = `${place.path}.${draftSuffix(randomness)}`;
  try {
    await writeDraft(draft, text.bytes);
    await link(draft, place.path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw notMade(place, error);
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(place.path));
  return await readUnlockFile(place);
}

async function writeDraft(path: string, text: Uint8Array): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function draftSuffix(randomness: Randomness): string {
  return randomness(Buffer.alloc(8)).toString("hex");
}

/**
 * The key of the file.
 *
 * @throws AppError `ERR_UNLOCK_FILE` when it is missing, malformed, a link, somebody else's, open to others or in the data
 * folder.
 */
export async function readUnlockFile(place: UnlockFilePlace): Promise<SecretBytes> {
  await checkPlace(place);
  // The checks are of what was opened, not of a name that could be exchanged meanwhile.
  const file = await openExisting(place);
  try {
    const about = await file.stat();
    if (!about.isFile()) throw refused(place, "is no regular file", "Put the unlock file there.");
    if (HAS_MODES && about.uid !== process.getuid?.()) {
      throw refused(place, "belongs to another user", "Give it to the user that the service runs as: chown.");
    }
    if (HAS_MODES && (about.mode & OTHERS) !== 0) {
      throw refused(place, "can be reached by others", "Take their rights away: chmod 600.");
    }
    if (about.size !== FILE_BYTES) throw malformed(place);
    using text = new SecretBytes(secretBuffer(FILE_BYTES));
    const { bytesRead } = await file.read(text.bytes, 0, FILE_BYTES, 0);
    const key = bytesRead === FILE_BYTES ? decode(text.bytes) : undefined;
    if (key === undefined) throw malformed(place);
    return key;
  } finally {
    await file.close();
  }
}

async function openExisting(place: UnlockFilePlace): Promise<FileHandle> {
  try {
    if ((await lstat(place.path)).isSymbolicLink()) throw isLink(place);
    // A FIFO would hold up who opens it for reading.
    return await open(place.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof AppError) throw error;
    const code = errorCode(error);
    if (code === "ELOOP") throw isLink(place);
    if (code === "ENOENT") {
      throw refused(
        place,
        "is missing",
        "Put it back from where you keep a copy, or make a new one with a passphrase of the vault or the recovery kit.",
      );
    }
    throw refused(place, `cannot be read (${code ?? "unknown"})`, "See that the service's user can read it.");
  }
}

async function checkPlace(place: UnlockFilePlace): Promise<void> {
  const data = await realFolder(place.dataFolder);
  const file = join(await realFolder(dirname(resolve(place.path))), basename(place.path));
  const way = relative(data, file);
  const outside = way === ".." || way.startsWith(`..${sep}`) || resolve(data, way) !== join(data, way);
  if (outside) return;
  throw refused(
    place,
    "lies in the data folder",
    "Keep it elsewhere (--unlock-file): who copies the data must not get the key with it.",
  );
}

/** Without links; a folder that is not there yet is taken as it is called. */
async function realFolder(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return resolve(path);
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders; there the name is as safe as the file system makes it.
  if (!HAS_MODES) return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function encode(key: Uint8Array): Buffer {
  const text = secretBuffer(FILE_BYTES);
  text.set(TITLE, 0);
  writeHex(key, text, KEY_AT);
  text[CHECK_AT - 1] = LINE_FEED;
  writeHex(sha256(key).subarray(0, CHECK_BYTES), text, CHECK_AT);
  text[FILE_BYTES - 1] = LINE_FEED;
  return text;
}

function decode(text: Uint8Array): SecretBytes | undefined {
  if (!TITLE.equals(text.subarray(0, TITLE.length))) return undefined;
  const key = new SecretBytes(secretBuffer(KEY_BYTES));
  if (readHex(text, KEY_AT, key.bytes)) {
    using again = new SecretBytes(encode(key.bytes));
    if (Buffer.from(text.buffer, text.byteOffset, text.byteLength).equals(again.bytes)) return key;
  }
  key.wipe();
  return undefined;
}

/** Digit by digit: as a string the key could not be wiped. */
function writeHex(bytes: Uint8Array, out: Uint8Array, at: number): void {
  for (const [index, byte] of bytes.entries()) {
    out[at + 2 * index] = hexDigit(byte >>> 4);
    out[at + 2 * index + 1] = hexDigit(byte & 15);
  }
}

function readHex(text: Uint8Array, at: number, out: Uint8Array): boolean {
  for (let index = 0; index < out.length; index += 1) {
    const high = hexValue(text[at + 2 * index] ?? 0);
    const low = hexValue(text[at + 2 * index + 1] ?? 0);
    if (high < 0 || low < 0) return false;
    out[index] = high * 16 + low;
  }
  return true;
}

function hexDigit(value: number): number {
  return value < 10 ? 0x30 + value : 0x61 + value - 10;
}

function hexValue(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  if (character >= 0x61 && character <= 0x66) return character - 0x61 + 10;
  return -1;
}

function isLink(place: UnlockFilePlace): AppError {
  return refused(place, "is a symbolic link", "Name the file itself with --unlock-file.");
}

function malformed(place: UnlockFilePlace): AppError {
  return refused(place, "is no unlock file, or was changed", "Put it back from where you keep a copy of it.");
}

function notMade(place: UnlockFilePlace, cause: unknown): AppError {
  return refused(
    place,
    `cannot be made (${errorCode(cause) ?? "unknown"})`,
    "Choose another place with --unlock-file.",
    cause,
  );
}

function refused(place: UnlockFilePlace, reason: string, remedy: string, cause?: unknown): AppError {
  return new AppError("ERR_UNLOCK_FILE", `The unlock file ${place.path} ${reason}.`, {
    subject: place.path,
    remedy,
    cause,
  });
}
