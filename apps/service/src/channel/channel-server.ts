/**
 * Lets devices, and nobody else, open a channel (docs/protocol.md, sections 1 and 3).
 *
 * @module
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import {
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  CLOSE_CODES,
  FRAME_BYTES_MAX,
  UPLOADS_PATH,
} from "@holdfast/protocol";
import { type WebSocket, WebSocketServer } from "ws";
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { Db } from "../database/database.ts";
import {
  authorizeDevice,
  type AuthorizationDependencies,
  type Refusal,
  refusalError,
} from "../devices/device-authorization.ts";

export interface ChannelServerDependencies extends AuthorizationDependencies {
  readonly db: Db;
  readonly opened: (socket: WebSocket, identity: ClientIdentity) => void;
  readonly failed: (error: unknown) => void;
}

/** Answers upgrade requests of `server`. */
export function attachChannels(server: Server, dependencies: ChannelServerDependencies): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_BYTES_MAX,
    perMessageDeflate: false,
    clientTracking: false,
    // What is not ours is agreed to, so that the reason can be told in the closing frame.
    handleProtocols: (offered) =>
      offered.has(CHANNEL_SUBPROTOCOL) ? CHANNEL_SUBPROTOCOL : ([...offered][0] ?? false),
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Answered by `attachUploads`.
    if (request.url?.startsWith(UPLOADS_PATH) === true) return;
    // Until `ws` takes the socket over; a reset by the other side is its affair.
    socket.on("error", ignore);
    admit(request, socket, head).catch((error: unknown) => {
      dependencies.failed(error);
      socket.destroy();
    });
  });

  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    if (request.url !== CHANNEL_PATH || !(socket instanceof TLSSocket)) {
      answerUpgrade(socket, 404, { code: "ERR_NOT_FOUND", detail: "Nothing is here." });
      return;
    }
    const identity = await authorizeDevice(dependencies, dependencies.db, socket);
    if (typeof identity === "string" && identity !== "disabled") {
      answerRefusal(socket, identity);
      return;
    }
    if (socket.destroyed) return;
    sockets.handleUpgrade(request, socket, head, (channel) => {
      socket.off("error", ignore);
      if (typeof identity === "string") reject(channel, CLOSE_CODES.disabled, "The device is disabled.");
      else if (channel.protocol !== CHANNEL_SUBPROTOCOL)
        reject(channel, CLOSE_CODES.version, `The service speaks ${CHANNEL_SUBPROTOCOL} only.`);
      else dependencies.opened(channel, identity);
    });
  };
}

const CLOSE_MS = 5000;

function reject(channel: WebSocket, code: number, reason: string): void {
  channel.on("error", ignore);
  channel.close(code, reason);
  setTimeout(() => {
    channel.terminate();
  }, CLOSE_MS).unref();
}

export function answerRefusal(socket: Duplex, refusal: Refusal): void {
  const { code, message } = refusalError(refusal);
  answerUpgrade(socket, 401, { code, detail: message });
}

/** A problem document (RFC 9457) by hand: the request never reached the HTTP server. */
export function answerUpgrade(
  socket: Duplex,
  status: 401 | 404 | 409,
  problem: { readonly code: string; readonly detail: string },
): void {
  const title = STATUS_CODES[status] ?? "Error";
  const body = JSON.stringify({ type: "about:blank", title, status, ...problem });
  socket.end(
    [
      `HTTP/1.1 ${String(status)} ${title}`,
      "Content-Type: application/problem+json",
      `Content-Length: ${String(Buffer.byteLength(body))}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

function ignore(): void {}
