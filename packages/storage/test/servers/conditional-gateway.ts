/**
 * In front of a Ceph object gateway that is too old to keep `If-None-Match: *` in buckets with versions and at the end of
 * uploads: keeps it, by looking for the object first and letting one request for a key through at a time. All else of a
 * request is the real gateway's, its signature too.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request as forwardRequest,
  type ServerResponse,
} from "node:http";
import { HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { sendError } from "./scripted-s3.ts";

export interface ConditionalGateway extends AsyncDisposable {
  readonly endpoint: string;
}

export async function startConditionalGateway(target: string, admin: S3Client): Promise<ConditionalGateway> {
  const turns = new Map<string, Promise<void>>();
  const takeTurn = (key: string, work: () => Promise<void>): void => {
    const turn = (turns.get(key) ?? Promise.resolve()).then(work).catch(() => undefined);
    turns.set(key, turn);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? "", target);
    const completes = request.method === "POST" && searchParams.has("uploadId");
    const creates = request.method === "PUT" || completes;
    if (!creates || request.headers["if-none-match"] !== "*") {
      void forward(target, request, response);
      return;
    }
    takeTurn(pathname, async () => {
      if (await exists(admin, pathname)) sendError(response, 412, "PreconditionFailed");
      else await forward(target, request, response);
    });
  };
  const server = createServer().on("request", handle).on("checkContinue", handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return {
    endpoint: `http://127.0.0.1:${String(address.port)}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function exists(admin: S3Client, pathname: string): Promise<boolean> {
  const [, Bucket = "", ...key] = decodeURIComponent(pathname).split("/");
  try {
    await admin.send(new HeadObjectCommand({ Bucket, Key: key.join("/") }));
    return true;
  } catch {
    return false;
  }
}

/** Resolves when the exchange is over, however it ended. */
function forward(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve();
      return;
    }
    const { expect, ...headers } = request.headers;
    if (expect !== undefined) response.writeContinue();
    const outgoing = forwardRequest(new URL(request.url ?? "", target), { method: request.method, headers });
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => {
      outgoing.destroy();
      resolve();
    });
    request.pipe(outgoing);
  });
}
