/**
 * One HTTP/1.1 request and its answer, for the kits of services that have protocols of their own upon HTTP. Written for
 * hostile servers and lost networks: answers are bounded, a transfer that stands still ends, and the socket of an aborted or
 * failed exchange is destroyed at once.
 *
 * A large body waits for `100 Continue` (RFC 9110, section 10.1.1), so that a refusal (the object exists, the storage is
 * busy) does not cost its transfer; a server that says nothing gets it after a second. Redirects are not followed.
 *
 * @module
 */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { Readable } from "node:stream";
import type { Connections } from "./connections.ts";
import type { Pace, TransferRate } from "./limits.ts";
import { TransportFailure } from "./transport-failure.ts";

export interface HttpSettings {
  readonly connections: Connections;
  readonly allowPlainHttp: boolean;
  /** How long nothing may come or go. */
  readonly idleTimeoutMs: number;
  readonly rate?: TransferRate | undefined;
}

export interface HttpRequest {
  readonly method: string;
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  /** With the query, escaped. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface HttpAnswer<Body> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  readonly body: Body;
}

/** Takes what it wants of the answer's body; see {@link collect}. */
type Read<Body> = (message: HttpBody, status: number) => Promise<Body>;

/** Destroying it ends the exchange. */
export type HttpBody = Readable & Pick<IncomingMessage, "headers">;

/** So much is handed to the socket at once; each time it drains, the transfer counts as alive. */
const SLICE_BYTES = 256 * 1024;
const CONTINUE_FROM_BYTES = 1024 * 1024;
const CONTINUE_TIMEOUT_MS = 1000;

/** True for names and addresses of this machine. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

/**
 * @throws {TransportFailure} and what Node.js, `read` and the system throw; an error named `AbortError` once `signal` is
 * aborted.
 */
export function exchange<Body>(
  settings: HttpSettings,
  request: HttpRequest,
  signal: AbortSignal | undefined,
  read: Read<Body>,
): Promise<HttpAnswer<Body>> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) throw aborted();
    const outgoing = startRequest(settings, request);
    let incoming: IncomingMessage | undefined;
    const fail = (error: Error): void => {
      // Destroying the answer takes the socket with it and gives its reader the error.
      if (incoming === undefined) outgoing.destroy(error);
      else incoming.destroy(error);
      reject(error);
    };
    const abort = (): void => {
      fail(aborted());
    };
    signal?.addEventListener("abort", abort, { once: true });
    outgoing.once("close", () => signal?.removeEventListener("abort", abort));
    outgoing.on("error", reject);
    outgoing.on("timeout", () => {
      const seconds = String(Math.round(settings.idleTimeoutMs / 1000));
      fail(new TransportFailure("ERR_STORAGE_TIMEOUT", `nothing came or went for ${seconds} s`));
    });
    outgoing.once("response", (message) => {
      incoming = message;
      accept(outgoing, message, read, settings.rate?.down).then(resolve, fail);
    });
    sendBody(outgoing, request.body, () => incoming !== undefined, settings.rate?.up).catch(fail);
  });
}

/**
 * The whole body of an answer.
 *
 * @throws {TransportFailure} when it is longer than `bytesMax`.
 */
export async function collect(message: Readable, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const source: AsyncIterable<unknown> = message;
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array) || chunk.length > bytesMax - length) {
      throw new TransportFailure("ERR_STORAGE_FAILED", "its answer is longer than any that makes sense");
    }
    length += chunk.length;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function startRequest(settings: HttpSettings, request: HttpRequest): ClientRequest {
  const { secure } = request;
  const hostname = request.hostname.replace(/^\[|\]$/g, "");
  if (!secure && !settings.allowPlainHttp && !isLoopback(hostname)) {
    throw new TransportFailure("ERR_STORAGE_UNTRUSTED", "its endpoint is not encrypted (http://)");
  }
  return (secure ? requestSecure : requestPlain)({
    method: request.method,
    host: hostname,
    port: request.port ?? (secure ? 443 : 80),
    path: request.path,
    headers: request.headers,
    agent: secure ? settings.connections.secure : settings.connections.plain,
    timeout: settings.idleTimeoutMs,
  });
}

async function sendBody(
  outgoing: ClientRequest,
  body: Uint8Array,
  answered: () => boolean,
  pace: Pace | undefined,
): Promise<void> {
  const sliceBytes = pace?.pieceLength(SLICE_BYTES) ?? SLICE_BYTES;
  if (body.length >= CONTINUE_FROM_BYTES) await askToContinue(outgoing);
  for (let offset = 0; offset < body.length; offset += sliceBytes) {
    const slice = body.subarray(offset, offset + sliceBytes);
    await pace?.take(slice.length);
    // Whoever answers early does not want the rest, and the socket cannot be used again.
    if (outgoing.destroyed || answered()) return;
    const flushed = outgoing.write(slice);
    if (!flushed) await firstEvent(outgoing, ["drain", "response", "close"]);
  }
  outgoing.end();
}

async function askToContinue(outgoing: ClientRequest): Promise<void> {
  outgoing.setHeader("Expect", "100-continue");
  outgoing.flushHeaders();
  await firstEvent(outgoing, ["continue", "response", "close"], CONTINUE_TIMEOUT_MS);
}

/** @param timeoutMs counts from the connection on. */
function firstEvent(outgoing: ClientRequest, events: readonly string[], timeoutMs?: number): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const startTimer = (): void => {
      timer = setTimeout(finish, timeoutMs);
    };
    const finish = (): void => {
      clearTimeout(timer);
      outgoing.off("socket", startTimer);
      for (const event of events) outgoing.off(event, finish);
      resolve();
    };
    for (const event of events) outgoing.once(event, finish);
    if (timeoutMs === undefined) return;
    if (outgoing.socket === null) outgoing.once("socket", startTimer);
    else startTimer();
  });
}

async function accept<Body>(
  outgoing: ClientRequest,
  message: IncomingMessage,
  read: Read<Body>,
  pace: Pace | undefined,
): Promise<HttpAnswer<Body>> {
  const status = message.statusCode ?? 0;
  const body = await read(pace === undefined ? message : paced(message, pace), status);
  if (!outgoing.writableFinished) outgoing.destroy();
  const headers = Object.entries(message.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const],
  );
  return { status, headers: Object.fromEntries(headers), body };
}

/** The same bytes, taken from the socket no faster than they may come. */
function paced(message: IncomingMessage, pace: Pace): HttpBody {
  const chunks = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      await pace.take(chunk.length);
      yield chunk;
    }
  };
  return Object.assign(Readable.from(chunks(), { objectMode: false }), { headers: message.headers });
}

function aborted(): Error {
  return Object.assign(new Error("The request was aborted."), { name: "AbortError" });
}
