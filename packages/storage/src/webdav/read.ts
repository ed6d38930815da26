/**
 * GET, whole and by range (RFC 9110 section 14). Servers may ignore a range and answer with the whole file: that is read from
 * its start as far as needed.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { ByteRange } from "../contract.ts";
import { notFound, tooShort } from "../reading.ts";
import { type DavClient, isFolderRedirect } from "./dav-client.ts";
import { type HttpAnswer, readBody } from "./exchange.ts";
import { badAnswer, statusFailure } from "./failures.ts";

/** Objects are packs of at most half of this; a server cannot make us take more. */
export const OBJECT_LENGTH_MAX = 64 * 1024 * 1024;
/** How some servers answer a GET of a folder. */
const NO_FILE_STATUSES: ReadonlySet<number> = new Set([405, 409, 501]);

export interface Source {
  readonly client: DavClient;
  readonly name: string;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Whole file; null when there is none. */
export async function readWhole({ client, path, signal }: Source): Promise<Buffer | null> {
  return client.request({ method: "GET", path, repeatable: true }, signal, async (answer) => {
    if (answer.status === 200) {
      checkEncoding(answer, client.location);
      const length = Number(answer.headers["content-length"] ?? Number.NaN);
      // With the length known, the bytes go to their place at once.
      if (length <= OBJECT_LENGTH_MAX) return fill(answer, 0, length);
      return readBody(answer, OBJECT_LENGTH_MAX, client.location);
    }
    return missing(answer, path, client.location);
  });
}

/**
 * Exactly the range, which is not empty; null when there is no such file.
 *
 * @throws {AppError} `ERR_DAMAGED` when the file ends before the range does.
 */
export async function readRange(source: Source, range: ByteRange): Promise<Buffer | null> {
  const { client, path, signal } = source;
  const last = range.offset + range.length - 1;
  const headers = { range: `bytes=${String(range.offset)}-${String(last)}` };
  return client.request({ method: "GET", path, headers, repeatable: true }, signal, async (answer) => {
    if (answer.status === 206) return readPart(source, range, answer);
    if (answer.status === 200) return readFromStart(source, range, answer);
    if (answer.status === 416)
      throw tooShort(source.name, client.location, range, readUnsatisfied(answer) ?? range.offset);
    return missing(answer, path, client.location);
  });
}

/** Tells by null that there is no file of this name. */
function missing(answer: HttpAnswer, path: string, location: string): null {
  if (answer.status === 404 || NO_FILE_STATUSES.has(answer.status) || isFolderRedirect(answer, path))
    return null;
  throw statusFailure(answer.status, "Reading a file", location);
}

async function readPart(source: Source, range: ByteRange, answer: HttpAnswer): Promise<Buffer> {
  const { name, client } = source;
  checkEncoding(answer, client.location);
  const told = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(answer.headers["content-range"] ?? "");
  const [first, last] = [Number(told?.[1]), Number(told?.[2])];
  const end = range.offset + range.length;
  if (first !== range.offset || !(last < end) || last < first)
    throw badAnswer("gives another range than asked for", client.location);
  // A server may give less of what there is only by an error of its own; told sizes decide between the two.
  if (last + 1 < end) {
    if (Number(told?.[3]) === last + 1) throw tooShort(name, client.location, range, last + 1);
    throw badAnswer("gives a shorter range than asked for", client.location);
  }
  const bytes = await fill(answer, 0, range.length);
  if (bytes.length === range.length) return bytes;
  throw badAnswer("gives a shorter range than it says", client.location);
}

async function readFromStart(source: Source, range: ByteRange, answer: HttpAnswer): Promise<Buffer> {
  const { name, client } = source;
  checkEncoding(answer, client.location);
  const length = answer.headers["content-length"];
  const size = length === undefined ? undefined : Number(length);
  const end = range.offset + range.length;
  if (size !== undefined && size < end) throw tooShort(name, client.location, range, size);
  if (end > OBJECT_LENGTH_MAX) {
    throw new AppError("ERR_UNSUPPORTED", `The server of ${client.location} cannot read parts of files.`, {
      subject: name,
      remedy: "Let it honour the header Range.",
    });
  }
  const bytes = await fill(answer, range.offset, range.length);
  if (bytes.length === range.length) return bytes;
  throw tooShort(name, client.location, range, range.offset + bytes.length);
}

/** `length` bytes after the first `skip` of the answer's body, or as many as there are. What follows is not waited for. */
async function fill(answer: HttpAnswer, skip: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let position = -skip;
  await answer.each((piece) => {
    const from = Math.min(piece.length, Math.max(0, -position));
    if (position + from >= 0 && position < length) piece.copy(bytes, position + from, from);
    position += piece.length;
    return position <= length;
  });
  return bytes.subarray(0, Math.max(0, position));
}

/** Nothing but the bytes themselves was asked for. */
function checkEncoding({ headers }: HttpAnswer, location: string): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw badAnswer("changes what it sends (Content-Encoding)", location);
}

function readUnsatisfied({ headers }: HttpAnswer): number | undefined {
  const size = /^bytes \*\/(\d{1,15})$/i.exec(headers["content-range"] ?? "")?.[1];
  return size === undefined ? undefined : Number(size);
}

/** A range of nothing cannot be asked for; the size alone tells whether it lies within the file. */
export function emptyRange(
  name: string,
  location: string,
  range: ByteRange,
  size: number | undefined,
): Buffer {
  if (size === undefined) throw notFound(name, location);
  if (range.offset > size) throw tooShort(name, location, range, size);
  return Buffer.alloc(0);
}
