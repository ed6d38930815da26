/**
 * One WebSocket to the service (RFC 6455), as frames that keep the schema (docs/protocol.md, section 3).
 *
 * @module
 */
import { WebSocket, type RawData } from "ws";
import { AppError } from "@holdfast/kernel";
import {
  type AgentMessage,
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  FRAME_BYTES_MAX,
  type ServiceMessage,
  serviceMessage,
} from "@holdfast/protocol";
import { openTrustedSocket, type Route, type Trust } from "./open-socket.ts";

/** RFC 6455, section 7.4.1. */
export const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
const HANDSHAKE_MS = 30_000;
const STATUS_UNAUTHORIZED: ReadonlySet<number> = new Set([401, 403]);

export interface Closed {
  /** 1006 when the connection broke. */
  readonly code: number;
  readonly reason: string;
}

export interface ConnectionEvents {
  readonly onMessage: (message: ServiceMessage) => void;
  /** Once, whatever ended the connection. */
  readonly onClosed: (closed: Closed) => void;
  /** What was sent has left. */
  readonly onDrained: () => void;
}

export interface Connection {
  /** Bytes that were given to {@link send} and have not left yet. */
  readonly bufferedBytes: number;
  readonly send: (message: AgentMessage) => void;
  /** Says goodbye. @param reason at most 123 bytes. */
  readonly close: (code: number, reason: string) => void;
  /** At once, without a word: the other side is silent. */
  readonly terminate: () => void;
}

/**
 * @throws AppError `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_UNTRUSTED`, `ERR_AGENT_NOT_ENROLLED` (the service does not know this
 * device any more), `ERR_CANCELLED`.
 */
export async function openConnection(
  route: Route,
  trust: Trust,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const socket = await openTrustedSocket(route, trust, signal);
  const url = new URL(CHANNEL_PATH, route.service.origin.replace(/^https:/u, "wss:"));
  const ws = new WebSocket(url, [CHANNEL_SUBPROTOCOL], {
    createConnection: () => socket,
    maxPayload: FRAME_BYTES_MAX,
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
  });
  // Before it is open: nothing that comes with the first bytes is to be missed.
  const connection = attach(ws, events);
  try {
    await opened(ws, route, signal);
    return connection;
  } catch (error) {
    ws.terminate();
    throw error;
  }
}

function opened(ws: WebSocket, route: Route, signal: AbortSignal): Promise<void> {
  const { origin } = route.service;
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      signal.removeEventListener("abort", abort);
      ws.off("open", open).off("error", fail).off("unexpected-response", refuse);
      then();
    };
    const open = (): void => settle(resolve);
    const fail = (cause: Error): void =>
      settle(() => reject(unreachable(origin, `does not open the channel (${cause.message})`, cause)));
    const refuse = (_: unknown, { statusCode = 0 }: { readonly statusCode?: number }): void =>
      settle(() =>
        reject(
          STATUS_UNAUTHORIZED.has(statusCode)
            ? unknownDevice(origin)
            : unreachable(origin, `answered ${String(statusCode)}`, undefined),
        ),
      );
    const abort = (): void =>
      settle(() => reject(new AppError("ERR_CANCELLED", "Connecting to the service was stopped.")));
    ws.once("open", open).once("error", fail).once("unexpected-response", refuse);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function attach(ws: WebSocket, { onMessage, onClosed, onDrained }: ConnectionEvents): Connection {
  let refused: string | undefined;
  ws.on("message", (data: RawData, isBinary: boolean) => {
    if (refused !== undefined || ws.readyState !== WebSocket.OPEN) return;
    const message = isBinary ? undefined : decode(data);
    if (message === undefined) {
      refused = "a frame that its schema does not allow";
      ws.close(CLOSE_POLICY, refused);
      return;
    }
    onMessage(message);
  });
  ws.on("error", (error) => {
    refused ??= error.message;
  });
  ws.once("close", (code, reason) => {
    onClosed({ code, reason: refused ?? reason.toString("utf8") });
  });
  return {
    get bufferedBytes() {
      return ws.bufferedAmount;
    },
    send: (message) => {
      if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(message), () => onDrained());
    },
    close: (code, reason) => ws.close(code, reason),
    terminate: () => ws.terminate(),
  };
}

function decode(data: RawData): ServiceMessage | undefined {
  if (!Buffer.isBuffer(data)) return undefined;
  try {
    const parsed = serviceMessage.safeParse(JSON.parse(data.toString("utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function unreachable(origin: string, what: string, cause: unknown): AppError {
  return new AppError("ERR_SERVICE_UNREACHABLE", `The service at ${origin} ${what}.`, {
    subject: origin,
    remedy: "Check that the address is the service's own, and that it runs.",
    cause,
  });
}

function unknownDevice(origin: string): AppError {
  return new AppError(
    "ERR_AGENT_NOT_ENROLLED",
    `The service at ${origin} does not take this device's certificate.`,
    {
      subject: origin,
      remedy:
        "Check in the service whether the device was disabled or removed; if it was removed, enroll it again in an empty folder.",
    },
  );
}
