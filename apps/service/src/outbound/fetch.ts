/**
 * One request over HTTP, to an address that was checked: over a connection of its own, without redirects, bounded in size and time.
 *
 * @module
 */
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import type { LookupFunction } from "node:net";
import { AppError, isAppError } from "@holdfast/kernel";
import { outboundFailure } from "./failures.ts";
import type { ResolvedAddress } from "./resolve.ts";

/** What of the standard's `RequestInit` is understood, and the limits. */
export interface OutboundInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>> | Headers;
  readonly body?:
    | string
    | Uint8Array
    | ArrayBuffer
    | URLSearchParams
    | ReadableStream
    | FormData
    | Blob
    | null
    | undefined;
  readonly redirect?: "manual" | "error" | "follow";
  readonly signal?: AbortSignal | null | undefined;
  /** For everything together. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Of the body of the answer. Default: 1 MiB. */
  readonly bytesMax?: number;
}

export interface Way {
  readonly addresses: readonly ResolvedAddress[];
  readonly plainHttp: boolean;
  readonly authorities: readonly string[] | undefined;
}

export interface Exchange {
  readonly find: (host: string) => Promise<Way>;
}

const TIMEOUT_MS = 10_000;
const BYTES_MAX = 1024 * 1024;
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

export async function exchange(ways: Exchange, url: URL, init: OutboundInit): Promise<Response> {
  checkForm(url);
  const request = new Request(url, {
    method: init.method ?? "GET",
    headers: new Headers(init.headers),
    ...(init.body === undefined || init.body === null ? {} : { body: init.body, duplex: "half" }),
  });
  const limit = AbortSignal.timeout(init.timeoutMs ?? TIMEOUT_MS);
  const signal = AbortSignal.any([limit, ...(init.signal == null ? [] : [init.signal])]);
  try {
    const way = await unlessAborted(ways.find(hostOf(url)), signal);
    checkScheme(url, way);
    const body = Buffer.from(await request.arrayBuffer());
    const message = await send(url, way, {
      method: request.method,
      headers: headersOf(request, body),
      body,
      signal,
    });
    checkRedirect(url, message, init.redirect);
    return await answerOf(message, init.bytesMax ?? BYTES_MAX, url);
  } catch (error) {
    if (init.signal?.aborted === true) throw init.signal.reason;
    if (limit.aborted)
      throw outboundFailure(url.host, Object.assign(new Error("late"), { code: "ETIMEDOUT" }));
    throw isAppError(error) ? error : outboundFailure(url.host, error);
  }
}

/** Without the brackets of IPv6. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/u, "$1");
}

function checkForm(url: URL): void {
  if (url.username === "" && url.password === "") return;
  throw new AppError(
    "ERR_OUTBOUND_REFUSED",
    `${url.host} is not called with a user or password in the URL.`,
    {
      subject: url.host,
      remedy: "Take them out of the URL: they belong in the Password Manager.",
    },
  );
}

function checkScheme(url: URL, { plainHttp }: Way): void {
  if (url.protocol === "https:" || (url.protocol === "http:" && plainHttp)) return;
  throw new AppError("ERR_OUTBOUND_REFUSED", `${url.host} is not called by ${url.protocol}//.`, {
    subject: url.host,
    remedy:
      "Use https://. Where a host has no TLS, an administrator can list it: PUT /api/v1/policies/outbound, `plainHttp`.",
  });
}

function headersOf(request: Request, body: Buffer): Record<string, string> {
  const headers = Object.fromEntries(request.headers);
  const length = body.length > 0 || request.method !== "GET" ? { "content-length": String(body.length) } : {};
  return { "user-agent": "holdfast", ...headers, ...length, "accept-encoding": "identity" };
}

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

function send(
  url: URL,
  { addresses, authorities }: Way,
  { method, headers, body, signal }: Sent,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = {
    method,
    headers,
    signal,
    agent: false,
    // An address in place of a name is not looked up; `find` has checked it.
    lookup: pinned(addresses),
    ...(authorities === undefined ? {} : { ca: [...authorities] }),
  } as const;
  const request = url.protocol === "https:" ? requestTls : requestPlain;
  request(url, options).once("response", resolve).on("error", reject).end(body);
  return promise;
}

/** The look-up of a connection, answered with what was checked. */
function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}

function checkRedirect(url: URL, message: IncomingMessage, redirect: OutboundInit["redirect"]): void {
  const status = message.statusCode ?? 0;
  if (status < 300 || status > 399 || status === 304 || redirect === "manual") return;
  message.destroy();
  throw new AppError("ERR_OUTBOUND_REFUSED", `${url.host} points to another place, which is not followed.`, {
    subject: url.host,
    remedy: "Enter the address that it really has.",
  });
}

async function answerOf(message: IncomingMessage, bytesMax: number, url: URL): Promise<Response> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of message) {
    if (!Buffer.isBuffer(piece)) continue;
    size += piece.length;
    if (size > bytesMax) {
      message.destroy();
      throw new AppError("ERR_BODY_TOO_LARGE", `${url.host} answered more than ${String(bytesMax)} bytes.`, {
        subject: url.host,
      });
    }
    pieces.push(piece);
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const status = message.statusCode ?? 0;
  return new Response(BODYLESS.has(status) ? null : Buffer.concat(pieces), { status, headers });
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
