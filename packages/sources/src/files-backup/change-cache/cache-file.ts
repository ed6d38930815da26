/**
 * The files of the change cache: opening that of the last backup, making the next one and putting it in its place.
 *
 * @module
 */
import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { makeFolderSync, type Randomness } from "@holdfast/kernel";
import {
  type CacheContents,
  cacheFileName,
  cacheKeyOf,
  CacheSeal,
  type CacheSubject,
  decodeContents,
  decodeEnd,
  encodeContents,
  encodeEnd,
  encodeHead,
  END_BYTES,
  HEAD_BYTES,
  saltOf,
} from "./format.ts";

/** What a thread needs to read or write a cache file. */
export interface CacheFileAccess {
  readonly fd: number;
  readonly head: Uint8Array;
  /** 32 bytes, a secret: wipe it once imported. */
  readonly key: Uint8Array;
}

export interface OldCache extends CacheFileAccess {
  readonly contents: CacheContents;
}

/** The cache of the last backup; undefined when there is none that is whole and of this subject. */
export function openCache(cacheDir: string, idKey: Buffer, subject: CacheSubject): OldCache | undefined {
  let fd: number;
  try {
    fd = openSync(join(cacheDir, FOLDER, cacheFileName(idKey, subject)), "r");
  } catch {
    return undefined;
  }
  try {
    const old = readContents(fd, idKey, subject);
    if (old !== undefined) return old;
  } catch {
    // Damaged: as good as none.
  }
  closeSync(fd);
  return undefined;
}

/** Wipes its key, too. */
export function closeCache(cache: OldCache): void {
  cache.key.fill(0);
  closeSync(cache.fd);
}

const FOLDER = "files";
const UNFINISHED = ".new";
const DAY_MS = 24 * 3_600_000;
const CONTENTS_BYTES_MAX = 512 * 1024 * 1024;

function readContents(fd: number, idKey: Buffer, subject: CacheSubject): OldCache | undefined {
  const length = fstatSync(fd).size;
  if (length < HEAD_BYTES + END_BYTES) return undefined;
  const head = readExactly(fd, 0, HEAD_BYTES);
  const end = decodeEnd(readExactly(fd, length - END_BYTES, END_BYTES), length);
  if (
    end === undefined ||
    end.length > CONTENTS_BYTES_MAX ||
    saltOf(head, subject.repository) === undefined
  ) {
    return undefined;
  }
  const key = cacheKeyOf(idKey, head);
  const seal = new CacheSeal(key, head);
  const contents = decodeContents(
    seal.open(readExactly(fd, end.offset, end.length), end.offset, true),
    subject,
  );
  return contents === undefined ? undefined : { fd, head, key, contents };
}

function readExactly(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0) throw new Error("the change cache ends too early");
    done += count;
  }
  return bytes;
}

/** A cache file that is being written. */
export interface NewCache extends CacheFileAccess {
  readonly temporary: string;
  readonly final: string;
  /** See `BlockTarget`. */
  readonly end: BigInt64Array;
}

/** Undefined when the folder cannot be written: then there is no cache. */
export function createCache(
  cacheDir: string,
  idKey: Buffer,
  subject: CacheSubject,
  randomness: Randomness,
): NewCache | undefined {
  try {
    const folder = join(cacheDir, FOLDER);
    makeFolderSync(folder, 0o700);
    const final = join(folder, cacheFileName(idKey, subject));
    sweep(folder);
    const temporary = `${final}.${randomness(Buffer.alloc(6)).toString("hex")}${UNFINISHED}`;
    const head = encodeHead(subject.repository, randomness(Buffer.alloc(32)));
    const fd = openSync(temporary, "wx", 0o600);
    writeSync(fd, head, 0, HEAD_BYTES, 0);
    const end = new BigInt64Array(new SharedArrayBuffer(8));
    end[0] = BigInt(HEAD_BYTES);
    return { fd, head, key: cacheKeyOf(idKey, head), temporary, final, end };
  } catch {
    return undefined;
  }
}

/** Removes what killed backups have left unfinished. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    attempt(() => {
      if (name.endsWith(UNFINISHED) && lstatSync(path).mtimeMs < Date.now() - DAY_MS) unlinkSync(path);
    });
  }
}

/** Completes the file and puts it in the place of the last one. A failure leaves that one as it is. */
export function finishCache(cache: NewCache, subject: CacheSubject, contents: CacheContents): void {
  const isWritten = attempt(() => {
    writeContents(cache, subject, contents);
  });
  attempt(() => {
    closeSync(cache.fd);
  });
  const isPlaced =
    isWritten &&
    attempt(() => {
      renameSync(cache.temporary, cache.final);
    });
  if (!isPlaced) removeTemporary(cache);
}

function writeContents(cache: NewCache, subject: CacheSubject, contents: CacheContents): void {
  const offset = Number(Atomics.load(cache.end, 0));
  if (offset < 0) throw new Error("the change cache could not be written");
  const seal = new CacheSeal(cache.key, Buffer.from(cache.head));
  const sealed = seal.seal(encodeContents(subject, contents), offset, true);
  const bytes = Buffer.concat([sealed, encodeEnd(offset, sealed.length)]);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(cache.fd, bytes, done, bytes.length - done, offset + done);
  }
}

/** Gives an unfinished cache up. */
export function discardCache(cache: NewCache): void {
  attempt(() => {
    closeSync(cache.fd);
  });
  removeTemporary(cache);
}

function removeTemporary(cache: NewCache): void {
  attempt(() => {
    unlinkSync(cache.temporary);
  });
}

/** The cache may always be missing, so no failure with it is one of the backup. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
