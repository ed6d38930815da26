/**
 * The driver's side of one helper process, which is one connection: one request at a time, and killed whenever something
 * is not as it should be. Killing it closes its sockets at once, whatever the library waits for.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { AppError } from "@holdfast/kernel";
import { cancelled } from "../cancel.ts";
import { noteBuffers } from "../remote/collection.ts";
import type { TransferRate } from "../remote/limits.ts";
import { type Done, encodeFrame, type Failure, malformed, type Reply, type Request } from "./messages.ts";
import { ReplyReader } from "./replies.ts";

const PROGRAM = fileURLToPath(new URL("./helper.ts", import.meta.url));
/** Holds .smb/smb.conf, which the library reads instead of the system's when it is below the home folder. */
const HOME = fileURLToPath(new URL("./home", import.meta.url));
/** Everything else stays here: the helper needs no secret that stands in the environment. */
const PASSED_ON = [
  "PATH",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "LD_LIBRARY_PATH",
  "KRB5CCNAME",
  "KRB5_CONFIG",
  "KRB5_CLIENT_KTNAME",
];

/** Of a transfer whose rate is limited. */
const PAYLOAD_PIECE_LENGTH = 256 * 1024;

/** What the helper says went wrong; never leaves the driver. */
export class HelperFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(`${failure.stage}: ${failure.errno}`);
    this.failure = failure;
  }
}

export interface Exchange {
  readonly request: Request;
  /** Follows the request. */
  readonly payload?: Uint8Array;
  /** The longest silence, milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** For messages: what was being done. */
  readonly subject: string;
  /** Gets every reply but the last. */
  readonly reply?: (reply: Reply, payloadLength: number) => void;
  readonly data?: (bytes: Buffer) => void;
}

interface Running {
  readonly exchange: Exchange;
  readonly succeed: (done: Done) => void;
  readonly fail: (error: unknown) => void;
  readonly heard: () => void;
}

export class HelperProcess {
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #rate: TransferRate | undefined;
  /** Fulfilled when the process is gone. */
  readonly ended: Promise<void>;
  #running: Running | undefined;
  #dead = false;

  constructor(rate?: TransferRate) {
    this.#rate = rate;
    this.#process = spawn(process.execPath, [PROGRAM], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
      env: environment(),
    });
    const socket = this.#process.stdio[3];
    assert(socket instanceof Socket);
    this.#socket = socket;
    const reader = new ReplyReader({
      reply: (reply, length) => {
        this.#hear(reply, length);
      },
      payload: (bytes) => {
        this.#running?.exchange.data?.(bytes);
      },
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#running?.heard();
        reader.push(chunk);
        noteBuffers(chunk.length);
        this.#holdBack(chunk.length);
      } catch (error) {
        this.#break(error);
      }
    });
    const gone = (): void => {
      this.#break(helperGone());
    };
    socket.on("error", gone);
    socket.on("close", gone);
    this.#process.on("error", gone);
    this.ended = new Promise((resolve) => {
      this.#process.once("exit", () => {
        resolve();
      });
      this.#process.once("error", () => {
        resolve();
      });
    });
    this.#rest();
  }

  get isDead(): boolean {
    return this.#dead;
  }

  kill(): void {
    this.#break(helperGone());
  }

  /** @throws HelperFailure, or AppError `ERR_CANCELLED`, `ERR_STORAGE_TIMEOUT`, `ERR_STORAGE_FAILED`; then it is dead. */
  async run(exchange: Exchange): Promise<Done> {
    assert(this.#running === undefined && !this.#dead);
    const { signal, subject, timeoutMs } = exchange;
    if (signal.aborted) throw cancelled(signal.reason, subject);
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    const aborted = (): void => {
      this.#break(cancelled(signal.reason, subject));
    };
    const timer = setTimeout(() => {
      this.#break(silent(subject, timeoutMs));
    }, timeoutMs);
    this.#running = { exchange, succeed: resolve, fail: reject, heard: () => timer.refresh() };
    signal.addEventListener("abort", aborted, { once: true });
    this.#socket.ref();
    this.#process.ref();
    this.#socket.write(encodeFrame(exchange.request));
    if (exchange.payload !== undefined) void this.#sendPayload(exchange.payload, signal);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      this.#running = undefined;
      this.#rest();
    }
  }

  async #sendPayload(payload: Uint8Array, signal: AbortSignal): Promise<void> {
    const pace = this.#rate?.up;
    const length = pace?.pieceLength(PAYLOAD_PIECE_LENGTH) ?? payload.length;
    try {
      for (let start = 0; start < payload.length; start += length) {
        const piece = payload.subarray(start, start + length);
        await pace?.take(piece.length, signal);
        if (this.#dead) return;
        this.#socket.write(piece);
      }
    } catch {
      // The call was given up, which has ended this process.
    }
  }

  /** The helper stops reading from the server when nobody takes what it has. */
  #holdBack(length: number): void {
    const pace = this.#rate?.down;
    if (pace === undefined) return;
    this.#socket.pause();
    void pace.take(length).then(() => this.#socket.resume());
  }

  #hear(reply: Reply, payloadLength: number): void {
    const running = this.#running;
    if (running === undefined) throw malformed();
    if (reply.kind !== "data" && payloadLength > 0) throw malformed();
    if (reply.kind === "done") running.succeed(reply);
    else if (reply.kind === "failed") running.fail(new HelperFailure(reply.failure));
    else running.exchange.reply?.(reply, payloadLength);
  }

  #break(error: unknown): void {
    const running = this.#running;
    if (!this.#dead) {
      this.#dead = true;
      // From here on nothing reads the payload any more.
      this.#socket.destroy();
      this.#process.kill("SIGKILL");
      // Whoever waits for its end must live to see it, which is soon.
      this.#process.ref();
    }
    running?.fail(error);
  }

  /** Between two requests it keeps nobody's process alive. */
  #rest(): void {
    if (this.#dead) return;
    this.#socket.unref();
    this.#process.unref();
  }
}

function environment(): NodeJS.ProcessEnv {
  const passed = PASSED_ON.map((name) => [name, process.env[name]] as const);
  const known = passed.filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), HOME, LIBSMBCLIENT_NO_CCACHE: "1" };
}

function silent(subject: string, timeoutMs: number): AppError {
  const seconds = String(Math.round(timeoutMs / 1000));
  return new AppError("ERR_STORAGE_TIMEOUT", `${subject}: nothing came for ${seconds} s.`, {
    remedy: "Check the network and the load of the server, then try again.",
  });
}

function helperGone(): AppError {
  return new AppError("ERR_STORAGE_FAILED", "The helper process for SMB ended unexpectedly.", {
    remedy: "Try again; if it stays so, report it with the version of libsmbclient.",
  });
}
