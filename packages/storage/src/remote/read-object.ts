/**
 * The body of an answer to GET: exactly what was asked for, or an error.
 *
 * @module
 */
import { Readable } from "node:stream";
import { AppError, VERIFY_REMEDY } from "@holdfast/kernel";
import type { ByteRange } from "../contract.ts";
import { tooShort } from "../reading.ts";
import { noteBuffers, READ_BUFFERS } from "./collection.ts";
import { TransportFailure } from "./transport-failure.ts";

/** Larger objects are read in ranges. */
export const WHOLE_BYTES_MAX = 64 * 1024 * 1024;

export interface ObjectAnswer {
  readonly body: unknown;
  readonly contentLength: number | undefined;
  readonly contentRange: string | undefined;
}

export interface Wanted {
  readonly name: string;
  /** For messages. */
  readonly location: string;
  readonly range: ByteRange | undefined;
}

/**
 * @throws {AppError} `ERR_DAMAGED` when the object ends before the range does, or is too long to be read as a whole.
 * @throws {TransportFailure}
 */
export async function readObject(answer: ObjectAnswer, wanted: Wanted): Promise<Buffer> {
  const { body } = answer;
  if (!(body instanceof Readable)) throw senseless("has no content");
  try {
    return await readExactly(body, bodyLength(answer, wanted));
  } finally {
    // Does nothing at its end; before that, it takes the connection along.
    body.destroy();
  }
}

export function httpRange({ offset, length }: ByteRange): string {
  return `bytes=${String(offset)}-${String(offset + length - 1)}`;
}

function bodyLength(answer: ObjectAnswer, wanted: Wanted): number {
  const { name, location, range } = wanted;
  const announced = answer.contentLength;
  if (announced === undefined || !Number.isSafeInteger(announced) || announced < 0) {
    throw senseless("does not say how long it is");
  }
  if (range !== undefined) {
    checkRange(answer.contentRange, announced, { name, location, range });
    return range.length;
  }
  if (announced > WHOLE_BYTES_MAX) {
    throw new AppError(
      "ERR_DAMAGED",
      `${name} in ${location} has ${String(announced)} bytes, more than any object that is read as a whole.`,
      { subject: name, remedy: VERIFY_REMEDY },
    );
  }
  return announced;
}

/** RFC 9110, section 14.4. */
function checkRange(
  contentRange: string | undefined,
  announced: number,
  { name, location, range }: Wanted & { readonly range: ByteRange },
): void {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(contentRange ?? "");
  if (match === null) {
    // The whole object instead, which may be what was asked for.
    if (contentRange === undefined && range.offset === 0 && announced === range.length) return;
    throw senseless("is not about the range that was asked for");
  }
  const [first, last, size] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const length = last - first + 1;
  if (first !== range.offset || length > range.length || length !== announced) {
    throw senseless("is not about the range that was asked for");
  }
  if (length < range.length) throw tooShort(name, location, range, Number.isNaN(size) ? last + 1 : size);
}

/**
 * Listens rather than iterates: iterating stops and starts the socket so often that it takes twice as long.
 *
 * @throws {TransportFailure} when the body has another length.
 */
export function readExactly(body: Readable, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer | undefined;
    let filled = 0;
    body.on("data", (chunk: unknown) => {
      if (!(chunk instanceof Uint8Array) || chunk.length > length - filled) {
        reject(senseless("is longer than it says"));
        body.destroy();
        return;
      }
      // What comes in one piece need not be copied.
      if (chunk.length === length) bytes = Buffer.from(chunk.buffer, chunk.byteOffset, length);
      else (bytes ??= Buffer.allocUnsafeSlow(length)).set(chunk, filled);
      filled += chunk.length;
      noteBuffers(READ_BUFFERS * chunk.length);
    });
    body.once("error", reject);
    body.once("close", () => {
      if (filled === length && body.readableEnded) resolve(bytes ?? Buffer.alloc(0));
      else reject(new TransportFailure("ERR_STORAGE_UNREACHABLE", "the answer ended too early"));
    });
  });
}

function senseless(what: string): TransportFailure {
  return new TransportFailure("ERR_STORAGE_FAILED", `its answer ${what}`);
}
