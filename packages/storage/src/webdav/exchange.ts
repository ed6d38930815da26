/**
 * One HTTP/1.1 request and its answer (RFC 9112), watched: when nothing moves for too long, or the caller gives up, the
 * connection is closed.
 *
 * @module
 */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { errorCode } from "@holdfast/kernel";
import { cancelled, throwIfAborted } from "../cancel.ts";
import { noteBuffers, READ_BUFFERS } from "../remote/collection.ts";
import type { TransferRate } from "../remote/limits.ts";
import { badAnswer, networkFailure, timeoutFailure } from "./failures.ts";
import type { ConnectionPool } from "./connect.ts";
import { authority, type WebdavLocation } from "./location.ts";

/** Small enough that the slowest usable line moves one within the idle timeout. */
const CHUNK_LENGTH = 128 * 1024;
/**
 * What was sent may still be in the send buffer or in a proxy before the server, where nobody sees it move: it is given the
 * time of a line of 4 Mbit/s to arrive.
 */
const ARRIVING_BYTES_PER_MS = 512;
const HEADERS_LENGTH_MAX = 16 * 1024;
/** An unread rest of an answer up to this is read to keep the connection; for more, a new connection is cheaper. */
const REST_LENGTH_MAX = 64 * 1024;
/** Each failure closes one kept connection, so there are no more stale ones than this in a row. */
const STALE_CONNECTIONS_MAX = 32;
const STALE_ERRORS: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE"]);

export interface Channel {
  readonly location: WebdavLocation;
  readonly pool: ConnectionPool;
  readonly idleTimeoutMs: number;
  readonly rate?: TransferRate | undefined;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** False when a second such request means something else than the first. */
  readonly repeatable: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Gives `take` one piece of the body after the other. When it returns false or throws, the connection is closed. */
  readonly each: (take: Take) => Promise<void>;
}

type Take = (piece: Buffer) => boolean;
type Consume<T> = (answer: HttpAnswer) => Promise<T> | T;

/**
 * @param consume what it leaves of the answer's body is dropped.
 * @throws {AppError} `ERR_STORAGE_UNREACHABLE`, `ERR_STORAGE_TIMEOUT`, `ERR_STORAGE_UNTRUSTED`, `ERR_STORAGE_FAILED`,
 * `ERR_CANCELLED`, and what `consume` throws.
 */
export async function exchange<T>(
  channel: Channel,
  message: HttpRequest,
  signal: AbortSignal,
  consume: Consume<T>,
): Promise<T> {
  for (let stale = 0; ; stale += 1) {
    throwIfAborted(signal, channel.location.text);
    const transfer = new Transfer(channel, message, signal);
    try {
      return await transfer.run(consume);
    } catch (error) {
      // The server closed a kept connection just when it was used again: it has not seen the request.
      const again = transfer.stale(error) && message.repeatable && stale < STALE_CONNECTIONS_MAX;
      if (!again) throw transfer.explain(error);
    } finally {
      transfer.close();
    }
  }
}

class Transfer {
  readonly #location: string;
  readonly #signal: AbortSignal;
  readonly #message: HttpRequest;
  readonly #request: ClientRequest;
  readonly #idleTimeoutMs: number;
  readonly #rate: TransferRate | undefined;
  #timer: NodeJS.Timeout;
  #timedOut = false;
  #answered = false;

  constructor({ location, pool, idleTimeoutMs, rate }: Channel, message: HttpRequest, signal: AbortSignal) {
    this.#location = location.text;
    this.#message = message;
    this.#signal = signal;
    this.#request = request({
      agent: pool,
      host: location.host,
      port: location.port,
      method: message.method,
      path: message.path,
      headers: {
        host: authority(location),
        "user-agent": "holdfast",
        "accept-encoding": "identity",
        ...message.headers,
        ...(message.body === undefined ? {} : { "content-length": String(message.body.length) }),
      },
      setHost: false,
      maxHeaderSize: HEADERS_LENGTH_MAX,
    });
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#rate = rate;
    this.#timer = setTimeout(this.#expire, idleTimeoutMs);
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  async run<T>(consume: Consume<T>): Promise<T> {
    const answer = await this.#send();
    this.#answered = true;
    this.#wait(this.#idleTimeoutMs);
    try {
      return await consume({
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        each: (take) => this.#each(answer, take),
      });
    } finally {
      await this.#drop(answer);
    }
  }

  stale(error: unknown): boolean {
    return (
      this.#request.reusedSocket &&
      !this.#answered &&
      !this.#timedOut &&
      !this.#signal.aborted &&
      STALE_ERRORS.has(errorCode(error))
    );
  }

  explain(error: unknown): Error {
    if (this.#signal.aborted) return cancelled(this.#signal.reason, this.#location);
    if (this.#timedOut) return timeoutFailure("Nothing moved between here and", this.#location);
    return networkFailure(error, this.#location);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#abort);
    // An answer that came before the whole body was sent: the rest would be taken for the next request.
    if (!this.#request.writableEnded) this.#request.destroy();
  }

  readonly #expire = (): void => {
    this.#timedOut = true;
    this.#request.destroy(new Error("idle"));
  };

  readonly #abort = (): void => {
    this.#request.destroy(new Error("aborted"));
  };

  #progress(): void {
    this.#timer.refresh();
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#expire, ms);
  }

  #send(): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // The listener for errors stays: a destroyed request may tell of it after its answer.
    this.#request.on("error", reject).once("response", resolve);
    this.#request.once("socket", () => {
      this.#progress();
    });
    this.#sendFrom(0);
    return promise;
  }

  #sendFrom(offset: number): void {
    if (this.#request.destroyed || this.#answered) return;
    const { body } = this.#message;
    if (body === undefined || offset >= body.length) {
      this.#request.end();
      return;
    }
    const pace = this.#rate?.up;
    if (pace === undefined) {
      this.#sendPiece(body, offset, Math.min(offset + CHUNK_LENGTH, body.length));
      return;
    }
    const end = Math.min(offset + pace.pieceLength(CHUNK_LENGTH), body.length);
    pace.take(end - offset, this.#signal).then(
      () => this.#sendPiece(body, offset, end),
      // The call was given up, which has ended the request too.
      () => undefined,
    );
  }

  #sendPiece(body: Uint8Array, offset: number, end: number): void {
    if (this.#request.destroyed || this.#answered) return;
    noteBuffers(end - offset);
    this.#request.write(unshared(body.subarray(offset, end)), (error) => {
      if ((error !== undefined && error !== null) || this.#request.destroyed || this.#answered) return;
      if (end === body.length) this.#wait(this.#idleTimeoutMs + end / ARRIVING_BYTES_PER_MS);
      else this.#progress();
      this.#sendFrom(end);
    });
  }

  async #each(answer: IncomingMessage, take: Take): Promise<void> {
    const pace = this.#rate?.down;
    if (pace === undefined) {
      await this.#listen(answer, take);
      return;
    }
    // Without an encoding set, the pieces are buffers.
    for await (const piece of answer as AsyncIterable<Buffer>) {
      this.#noteArrived(piece);
      await pace.take(piece.length, this.#signal);
      if (!take(piece)) return;
    }
    if (!answer.complete) throw this.#cut();
  }

  /** Iterating would stop and start the socket so often that it takes twice as long. */
  async #listen(answer: IncomingMessage, take: Take): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    answer.on("data", (piece: Buffer) => {
      this.#noteArrived(piece);
      try {
        if (take(piece)) return;
        resolve(undefined);
      } catch (error) {
        reject(error);
      }
      answer.destroy();
    });
    answer.once("error", reject);
    answer.once("close", () => {
      if (answer.complete) resolve(undefined);
      else reject(this.#cut());
    });
    if (answer.destroyed) reject(this.#cut());
    await promise;
  }

  #noteArrived(piece: Buffer): void {
    this.#progress();
    noteBuffers(READ_BUFFERS * piece.length);
  }

  #cut(): Error {
    return networkFailure(new Error("cut"), this.#location);
  }

  /** Reads what was left of the answer, so that its connection can be used again; closes it when that is too long. */
  async #drop(answer: IncomingMessage): Promise<void> {
    if (answer.destroyed || answer.readableEnded) return;
    let length = 0;
    try {
      await this.#each(answer, (piece) => {
        length += piece.length;
        return length <= REST_LENGTH_MAX;
      });
    } catch {
      // Nobody waits for these bytes.
    }
  }
}

/** Not every way into a socket takes shared memory. */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? Buffer.from(bytes) : bytes;
}

/** The whole body, at most `lengthMax` bytes of it. */
export async function readBody(
  { each, headers }: HttpAnswer,
  lengthMax: number,
  location: string,
): Promise<Buffer> {
  if (Number(headers["content-length"] ?? 0) > lengthMax) throw tooLong(location, lengthMax);
  const chunks: Buffer[] = [];
  let length = 0;
  await each((piece) => {
    length += piece.length;
    if (length > lengthMax) throw tooLong(location, lengthMax);
    chunks.push(piece);
    return true;
  });
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

function tooLong(location: string, lengthMax: number): Error {
  return badAnswer(`sends more than ${String(lengthMax)} bytes`, location);
}
