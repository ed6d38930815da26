/**
 * HTTP for Amazon's SDK: its "request handler".
 *
 * @module
 */
import type { Readable } from "node:stream";
import { collect, exchange, type HttpSettings } from "../remote/http-exchange.ts";

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
    readonly body: Readable | Buffer;
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

export interface Transport {
  readonly handler: SdkTransport;
  /** What the last answer said, milliseconds since the epoch; undefined before the first one. */
  serverTimeMs(): number | undefined;
}

export function createTransport(settings: HttpSettings): Transport {
  let serverTimeMs: number | undefined;
  const handler: SdkTransport = {
    metadata: { handlerProtocol: "http/1.1" },
    handle: async (request, options) => {
      const signal = options?.abortSignal;
      const answer = await send(settings, request, signal instanceof AbortSignal ? signal : undefined);
      const time = Date.parse(answer.response.headers["date"] ?? "");
      if (Number.isFinite(time)) serverTimeMs = time;
      return answer;
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
  return { handler, serverTimeMs: () => serverTimeMs };
}

async function send(
  settings: HttpSettings,
  request: SdkRequest,
  signal: AbortSignal | undefined,
): Promise<SdkAnswer> {
  const { method, protocol, hostname, port, headers } = request;
  const path = request.path + queryText(request.query);
  const message = { method, secure: protocol === "https:", hostname, port, path, headers };
  const { status, ...answer } = await exchange(
    settings,
    { ...message, body: bodyBytes(request.body) },
    signal,
    async (incoming, code): Promise<Readable | Buffer> =>
      request.query["x-id"] === "GetObject" && code >= 200 && code < 300
        ? incoming
        : collect(incoming, ANSWER_BYTES_MAX),
  );
  return { response: { statusCode: status, ...answer } };
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
