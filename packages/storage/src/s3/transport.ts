/**
 * HTTP/1.1 for Amazon's SDK (its "request handler"), written for hostile servers and lost networks: every answer is
 * bounded, a transfer that stands still ends, and the socket of an aborted or failed exchange is destroyed at once.
 *
 * A large body waits for `100 Continue` (RFC 9110, section 10.1.1), so that a refusal (the object exists, the storage is
 * busy) does not cost its transfer; a server that says nothing gets it after a second. Redirects are not followed.
 *
 * @module
 */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Connections } from "./connections.ts";
import { TransportFailure } from "./transport-failure.ts";

/** What of the SDK's request counts here. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkAnswer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: IncomingMessage | Buffer;
  };
}

/** The SDK's interface of a request handler. */
interface SdkTransport {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: SdkRequest, options?: { readonly abortSignal?: unknown }): Promise<SdkAnswer>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): object;
}

/** All but the content of an object: 1000 keys of 1024 bytes each, escaped, and what is told about each. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** So much is handed to the socket at once; each time it drains, the transfer counts as alive. */
const SLICE_BYTES = 256 * 1024;
const CONTINUE_FROM_BYTES = 1024 * 1024;
const CONTINUE_TIMEOUT_MS = 1000;

export interface TransportSettings {
  readonly connections: Connections;
  readonly allowPlainHttp: boolean;
  readonly idleTimeoutMs: number;
}

export interface Transport {
  readonly handler: SdkTransport;
  /** What the last answer said, milliseconds since the epoch; undefined before the first one. */
  serverTimeMs(): number | undefined;
}

export function createTransport(settings: TransportSettings): Transport {
  let serverTimeMs: number | undefined;
  const handler: SdkTransport = {
    metadata: { handlerProtocol: "http/1.1" },
    handle: async (request, options) => {
      const signal = options?.abortSignal;
      const answer = await exchange(settings, request, signal instanceof AbortSignal ? signal : undefined);
      const time = Date.parse(answer.response.headers["date"] ?? "");
      if (Number.isFinite(time)) serverTimeMs = time;
      return answer;
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
  return { handler, serverTimeMs: () => serverTimeMs };
}

/** True for names and addresses of this machine. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

function exchange(
  settings: TransportSettings,
  request: SdkRequest,
  signal: AbortSignal | undefined,
): Promise<SdkAnswer> {
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
      accept(request, outgoing, message).then(resolve, fail);
    });
    sendBody(outgoing, bodyBytes(request.body), () => incoming !== undefined).catch(fail);
  });
}

function startRequest(settings: TransportSettings, request: SdkRequest): ClientRequest {
  const secure = request.protocol === "https:";
  const hostname = request.hostname.replace(/^\[|\]$/g, "");
  if (!secure && !settings.allowPlainHttp && !isLoopback(hostname)) {
    throw new TransportFailure("ERR_STORAGE_UNTRUSTED", "its endpoint is not encrypted (http://)");
  }
  return (secure ? requestSecure : requestPlain)({
    method: request.method,
    host: hostname,
    port: request.port ?? (secure ? 443 : 80),
    path: request.path + queryText(request.query),
    headers: request.headers,
    agent: secure ? settings.connections.secure : settings.connections.plain,
    timeout: settings.idleTimeoutMs,
  });
}

/** As it was signed: sorted, and everything but unreserved characters escaped (AWS Signature Version 4, "UriEncode"). */
function queryText(query: SdkRequest["query"]): string {
  const parts = Object.keys(query)
    .toSorted()
    .flatMap((name) => {
      const value = query[name];
      if (value === undefined || value === null) return [escaped(name)];
      return [value].flat().map((text) => `${escaped(name)}=${escaped(text)}`);
    });
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function bodyBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return typeof body === "string" ? Buffer.from(body) : new Uint8Array(0);
}

async function sendBody(outgoing: ClientRequest, body: Uint8Array, answered: () => boolean): Promise<void> {
  if (body.length >= CONTINUE_FROM_BYTES) await askToContinue(outgoing);
  for (let offset = 0; offset < body.length; offset += SLICE_BYTES) {
    // Whoever answers early does not want the rest, and the socket cannot be used again.
    if (outgoing.destroyed || answered()) return;
    const flushed = outgoing.write(body.subarray(offset, offset + SLICE_BYTES));
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

async function accept(
  request: SdkRequest,
  outgoing: ClientRequest,
  message: IncomingMessage,
): Promise<SdkAnswer> {
  const status = message.statusCode ?? 0;
  const streamed = request.query["x-id"] === "GetObject" && status >= 200 && status < 300;
  const body = streamed ? message : await collect(message);
  if (!outgoing.writableFinished) outgoing.destroy();
  const headers = Object.entries(message.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const],
  );
  return { response: { statusCode: status, headers: Object.fromEntries(headers), body } };
}

async function collect(message: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const source: AsyncIterable<unknown> = message;
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array) || chunk.length > ANSWER_BYTES_MAX - length) {
      throw new TransportFailure("ERR_STORAGE_FAILED", "its answer is longer than any that makes sense");
    }
    length += chunk.length;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function aborted(): Error {
  return Object.assign(new Error("The request was aborted."), { name: "AbortError" });
}
