/** An HTTP service that answers as a test says, for what no decent server does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** Returns true when it took care of the request. */
export type Script = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
  /** The summary of each. */
  readonly requests: readonly string[];
  readonly server: Server;
}

/** @param byDefault answers what the script leaves alone. */
export async function startScriptedServer(
  script: Script,
  summary: (request: IncomingMessage) => string,
  byDefault: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const requests: string[] = [];
  const server = createServer();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(summary(request));
    if (!script(request, response)) byDefault(request, response);
  };
  server.on("request", answer);
  // Unlike Node.js by itself, this server asks for a body only when a script reads it.
  server.on("checkContinue", answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return {
    port: address.port,
    requests,
    server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Reads the body, asking for it where the client waits, then goes on. */
export function afterBody(request: IncomingMessage, response: ServerResponse, go: () => void): true {
  if (request.headers.expect !== undefined) response.writeContinue();
  request.on("end", go);
  request.resume();
  return true;
}

export function sendXml(response: ServerResponse, xml: string): true {
  response.writeHead(200, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
  return true;
}
