/** An S3 that answers as a test says, for what no decent server does. */
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  afterBody,
  type Script,
  type ScriptedServer,
  sendXml,
  startScriptedServer,
} from "./scripted-http.ts";

export { afterBody, type Script, sendXml };

export interface ScriptedS3 extends ScriptedServer {
  readonly url: URL;
}

/** Requests that the script leaves alone get what makes a driver open and put: a bucket that keeps the condition. */
export async function startScriptedS3(script: Script): Promise<ScriptedS3> {
  const scripted = await startScriptedServer(script, summary, answerByDefault);
  const endpoint = `http://127.0.0.1:${String(scripted.port)}`;
  return { ...scripted, url: new URL(`s3://bucket/folder?endpoint=${endpoint}`) };
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

function answerByDefault(request: IncomingMessage, response: ServerResponse): void {
  const what = summary(request);
  if (what.endsWith("?versioning")) sendXml(response, "<VersioningConfiguration/>");
  else if (what.endsWith("?object-lock")) sendError(response, 404, "ObjectLockConfigurationNotFoundError");
  else if (what.endsWith("?uploads")) sendXml(response, "<ListMultipartUploadsResult/>");
  else if (what === "PUT /bucket/folder/tmp/condition") sendError(response, 412, "PreconditionFailed");
  else sendError(response, 404, "NoSuchKey");
}
