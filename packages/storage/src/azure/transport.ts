/**
 * HTTP for Azure's SDK: its "HTTP client". All bodies are read here, so that the SDK has none to wait for or to ask for again.
 *
 * @module
 */
import { Readable } from "node:stream";
import type { HttpHeaders, HttpOperationResponse, IHttpClient, WebResource } from "@azure/storage-blob";
import { collect, exchange, type HttpBody, type HttpSettings } from "../remote/http-exchange.ts";
import { readExactly, WHOLE_BYTES_MAX } from "../remote/read-object.ts";
import { TransportFailure } from "../remote/transport-failure.ts";

/** All but the content of an object: a page of {@link LIST_PAGE_LENGTH} blobs with names of 1024 characters, escaped. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export function createHttpClient(settings: HttpSettings): IHttpClient {
  return { sendRequest: (request) => send(settings, request) };
}

async function send(settings: HttpSettings, request: WebResource): Promise<HttpOperationResponse> {
  const { protocol, hostname, port, pathname, search } = new URL(request.url);
  const message = {
    method: request.method,
    secure: protocol === "https:",
    hostname,
    port: port === "" ? undefined : Number(port),
    path: pathname + search,
    headers: request.headers.toJson(),
    body: bodyBytes(request.body),
  };
  const signal = request.abortSignal instanceof AbortSignal ? request.abortSignal : undefined;
  const { status, headers, body } = await exchange(settings, message, signal, (incoming, code) =>
    read(request, incoming, code),
  );
  if (status >= 300 && status < 400) {
    throw new TransportFailure("ERR_STORAGE_FAILED", "it sends requests elsewhere");
  }
  return { request, status, headers: toHeaders(request.headers, headers), ...body };
}

type Body = Pick<HttpOperationResponse, "bodyAsText" | "readableStreamBody">;

async function read(request: WebResource, incoming: HttpBody, status: number): Promise<Body> {
  if (request.streamResponseStatusCodes?.has(status) !== true) {
    return { bodyAsText: (await collect(incoming, ANSWER_BYTES_MAX)).toString("utf8") };
  }
  const announced = Number(incoming.headers["content-length"] ?? Number.NaN);
  const wanted = rangeLength(request.headers.get("x-ms-range")) ?? WHOLE_BYTES_MAX;
  if (announced <= wanted) {
    return { readableStreamBody: Readable.from([await readExactly(incoming, announced)]) };
  }
  // Whoever asked sees by the length that this is not for reading; a body that ends would be missed by the SDK.
  incoming.destroy();
  return { readableStreamBody: new Readable({ read: () => undefined }) };
}

function rangeLength(range: string | undefined): number | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  return first === undefined || last === undefined ? undefined : Number(last) - Number(first) + 1;
}

function toHeaders(pattern: HttpHeaders, values: Readonly<Record<string, string>>): HttpHeaders {
  // The SDK does not show its class of headers.
  const headers = pattern.clone();
  for (const name of headers.headerNames()) headers.remove(name);
  for (const [name, value] of Object.entries(values)) headers.set(name, value);
  return headers;
}

function bodyBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined || body === null) return new Uint8Array(0);
  if (typeof body === "string") return Buffer.from(body);
  throw new TypeError("The SDK sends a body of another kind.");
}
