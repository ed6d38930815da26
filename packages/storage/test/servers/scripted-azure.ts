/** An Azure Blob service that answers as a test says. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterBody, type Script, type ScriptedServer, startScriptedServer } from "./scripted-http.ts";

export interface ScriptedAzure extends ScriptedServer {
  readonly url: URL;
}

/** Requests that the script leaves alone get what makes a driver open: a container without anything in it. */
export async function startScriptedAzure(script: Script): Promise<ScriptedAzure> {
  const scripted = await startScriptedServer(script, summary, answerByDefault);
  const endpoint = `http://127.0.0.1:${String(scripted.port)}/account`;
  return { ...scripted, url: new URL(`azure://container/folder?account=account&endpoint=${endpoint}`) };
}

/** Method, path below the account, and what else tells the operation: `PUT container/a?block`. */
export function summary(request: IncomingMessage): string {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
  const kind = searchParams.get("comp") ?? searchParams.get("restype");
  return `${request.method ?? ""} ${pathname.replace("/account/", "")}${kind === null ? "" : `?${kind}`}`;
}

export function sendError(response: ServerResponse, status: number, code: string, detail = ""): true {
  response.writeHead(status, { "content-type": "application/xml", "x-ms-error-code": code });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${detail}</Error>`);
  return true;
}

/** Takes what is put. */
export function sendCreated(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>> = {},
): true {
  return afterBody(request, response, () => {
    const times = { etag: '"0x1"', "last-modified": new Date(0).toUTCString() };
    response.writeHead(201, { ...times, ...headers }).end();
  });
}

/** To HEAD: an object of five bytes. */
export function sendFacts(response: ServerResponse): true {
  response.setHeader("last-modified", new Date(0).toUTCString());
  response.setHeader("content-length", "5");
  response.end();
  return true;
}

function answerByDefault(request: IncomingMessage, response: ServerResponse): void {
  const what = summary(request);
  if (what === "GET container?container" || what === "GET container?properties") response.end();
  else sendError(response, 404, "BlobNotFound");
}
