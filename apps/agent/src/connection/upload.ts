/**
 * Hands bytes to the service for one run (docs/protocol.md, section 7): a WebSocket of its own, over which they leave as fast as
 * the other end takes them.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import {
  UPLOAD_CLOSE_CODES,
  UPLOAD_FRAME_BYTES_MAX,
  UPLOAD_SUBPROTOCOL,
  type UploadHead,
  UPLOADS_PATH,
} from "@holdfast/protocol";
import { WebSocket } from "ws";
import { openTrustedSocket, type Route, type Trust } from "./open-socket.ts";
import { parseServiceUrl } from "./service-address.ts";

const HANDSHAKE_MS = 30_000;

export interface Upload {
  readonly run: string;
  /** Address of the process that waits. Default: the agent's own way to the service. */
  readonly to: string | undefined;
  readonly head: UploadHead;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the service has passed all of it on.
 *
 * @throws AppError `ERR_CANCELLED` when nobody waits for it any more, `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_UNTRUSTED`, what the
 * bytes throw: then the other end notices that they are not whole.
 */
export type Uploader = (upload: Upload) => Promise<void>;

export function createUploader(route: Route, trust: () => Trust): Uploader {
  return (upload) => {
    const way = upload.to === undefined ? route : { ...route, service: parseServiceUrl(upload.to) };
    return send(way, trust(), upload);
  };
}

async function send(route: Route, trust: Trust, upload: Upload): Promise<void> {
  const { signal, run, head, bytes } = upload;
  const socket = await openTrustedSocket(route, trust, signal);
  const url = new URL(`${UPLOADS_PATH}${run}`, route.service.origin.replace(/^https:/u, "wss:"));
  const ws = new WebSocket(url, [UPLOAD_SUBPROTOCOL], {
    createConnection: () => socket,
    maxPayload: 1024,
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
  });
  const line = new Line(ws, route, signal);
  try {
    await line.opened();
    await line.send(JSON.stringify(head));
    let length = 0;
    for await (const piece of bytes) {
      for (let at = 0; at < piece.length; at += UPLOAD_FRAME_BYTES_MAX)
        await line.send(piece.subarray(at, at + UPLOAD_FRAME_BYTES_MAX));
      length += piece.length;
    }
    await line.finish(JSON.stringify({ bytes: length }));
  } finally {
    ws.terminate();
  }
}

/** One thing is waited for at a time; the end of the connection ends the waiting. */
class Line {
  readonly #ws: WebSocket;
  readonly #origin: string;
  #waiting: PromiseWithResolvers<void> | undefined;
  #isFinishing = false;
  #end: { readonly error: unknown } | undefined;
  #cause: unknown;

  constructor(ws: WebSocket, { service: { origin } }: Route, signal: AbortSignal) {
    this.#ws = ws;
    this.#origin = origin;
    const abort = (): void => this.#fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    ws.once("open", () => this.#waiting?.resolve());
    ws.once("unexpected-response", (_, { statusCode = 0 }) => {
      this.#fail(this.#broken(`answered ${String(statusCode)} to an upload`));
      ws.terminate();
    });
    ws.on("error", (error) => {
      this.#cause = error;
    });
    ws.once("close", (code) => {
      signal.removeEventListener("abort", abort);
      if (code === UPLOAD_CLOSE_CODES.done && this.#isFinishing) this.#waiting?.resolve();
      else if (code === UPLOAD_CLOSE_CODES.stopped) this.#fail(nobodyWaits());
      else this.#fail(this.#broken("ended the upload before it was done"));
    });
  }

  opened(): Promise<void> {
    return this.#wait(() => undefined);
  }

  /** Resolves when the frame has gone to the system. */
  send(frame: Uint8Array | string): Promise<void> {
    return this.#wait(({ resolve }) => {
      this.#ws.send(frame, (error) => {
        // What is wrong is told by the end of the connection.
        if (!(error instanceof Error)) resolve();
      });
    });
  }

  /** Sends the last frame; resolves when the service says that it has passed on everything. */
  finish(frame: string): Promise<void> {
    this.#isFinishing = true;
    return this.#wait(() => this.#ws.send(frame, () => undefined));
  }

  #wait(begin: (waiting: PromiseWithResolvers<void>) => void): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(asError(this.#end.error));
    const waiting = Promise.withResolvers<void>();
    this.#waiting = waiting;
    begin(waiting);
    return waiting.promise;
  }

  #fail(error: unknown): void {
    this.#end ??= { error };
    this.#waiting?.reject(asError(this.#end.error));
  }

  #broken(what: string): AppError {
    return new AppError("ERR_SERVICE_UNREACHABLE", `The service at ${this.#origin} ${what}.`, {
      subject: this.#origin,
      remedy: "Start the download again.",
      cause: this.#cause,
    });
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new AppError("ERR_CANCELLED", "The upload was stopped.");
}

function nobodyWaits(): AppError {
  return new AppError("ERR_CANCELLED", "Nobody waits for this download any more.", {
    remedy: "Start it again in the console.",
  });
}
