/** An S3 that answers as a test says, for what no decent server does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** Returns true when it took care of the request. */
export type Script = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ScriptedS3 extends AsyncDisposable {
  readonly url: URL;
  /** The {@link summary} of each. */
  readonly requests: readonly string[];
  readonly server: Server;
}

/** Requests that the script leaves alone get what makes a driver open and put: a bucket that keeps the condition. */
export async function startScriptedS3(script: Script): Promise<ScriptedS3> {
  const requests: string[] = [];
  const server = createServer();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(summary(request));
    if (!script(request, response)) answerByDefault(request, response);
  };
  server.on("request", answer);
  // Unlike Node.js by itself, this server asks for a body only when a script reads it.
  server.on("checkContinue", answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return {
    url: new URL(`s3://bucket/folder?endpoint=http://127.0.0.1:${String(address.port)}`),
    requests,
    server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Parameters that make another operation of a request. */
const KINDS = ["versioning", "object-lock", "uploads", "uploadId", "list-type"];

/** Method, path and what else tells the operation: `PUT /bucket/a`, `POST /bucket/a?uploads`. */
export function summary(request: IncomingMessage): string {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
  const kind = KINDS.find((name) => searchParams.has(name));
  return `${request.method ?? ""} ${pathname}${kind === undefined ? "" : `?${kind}`}`;
}

export function sendError(response: ServerResponse, status: number, code: string, more = ""): true {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`);
  return true;
}

export function sendXml(response: ServerResponse, xml: string): true {
  response.writeHead(200, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
  return true;
}

/** Reads the body, asking for it where the client waits, then goes on. */
export function afterBody(request: IncomingMessage, response: ServerResponse, go: () => void): true {
  if (request.headers.expect !== undefined) response.writeContinue();
  request.on("end", go);
  request.resume();
  return true;
}

function answerByDefault(request: IncomingMessage, response: ServerResponse): void {
  const what = summary(request);
  if (what.endsWith("?versioning")) sendXml(response, "<VersioningConfiguration/>");
  else if (what.endsWith("?object-lock")) sendError(response, 404, "ObjectLockConfigurationNotFoundError");
  else if (what.endsWith("?uploads")) sendXml(response, "<ListMultipartUploadsResult/>");
  else if (what === "PUT /bucket/folder/tmp/condition") sendError(response, 412, "PreconditionFailed");
  else sendError(response, 404, "NoSuchKey");
}
