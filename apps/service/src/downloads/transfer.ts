/**
 * Bytes on their way from a device to a browser. They pass through the memory of this process, a little at a time, and never touch
 * a disk.
 *
 * Whole or not at all: the stream ends well only when the device has said how many bytes there are, and they were as many as
 * announced. Anything else destroys it, and with it the connection of the browser, so that no part looks like the whole. The last
 * bytes are held back until then: with them a browser that knows the length has all, and leaves.
 *
 * @module
 */
import { Readable } from "node:stream";
import { AppError } from "@holdfast/kernel";
import { UPLOAD_CLOSE_CODES, uploadEnd, type UploadHead, uploadHead } from "@holdfast/protocol";
import type { RawData, WebSocket } from "ws";

export interface Transfer {
  readonly head: UploadHead;
  readonly stream: Readable;
}

/** For who neither sends nor takes anything any more. */
const STALLED_MS = 5 * 60_000;
const LOOK_MS = 15_000;

/**
 * Takes a connection that a device has opened.
 *
 * @returns once its first frame has come.
 * @throws AppError `ERR_PROTOCOL`, `ERR_RUN_LOST` when it ends before.
 */
export async function takeTransfer(ws: WebSocket): Promise<Transfer> {
  const { promise, resolve, reject } = Promise.withResolvers<Transfer>();
  const receiver = new Receiver(ws);
  const stop = watchStalled(receiver);
  ws.on("message", (data: RawData, isBinary: boolean) => {
    if (!Buffer.isBuffer(data)) receiver.refuse();
    else if (isBinary) receiver.takeBytes(data);
    else {
      const head = receiver.takeText(data);
      if (head !== undefined) resolve({ head, stream: receiver.stream });
    }
  });
  // What it is about is told by the closing.
  ws.on("error", () => undefined);
  ws.once("close", () => {
    stop();
    receiver.closed();
    reject(receiver.stream.errored ?? brokenOff());
  });
  receiver.stream.once("close", stop);
  return promise;
}

class Receiver {
  readonly stream: Readable;
  readonly #ws: WebSocket;
  #head: UploadHead | undefined;
  #length = 0;
  #heldBack: Buffer = Buffer.alloc(0);
  #isComplete = false;

  constructor(ws: WebSocket) {
    this.#ws = ws;
    this.stream = new Readable({
      read: () => ws.resume(),
      destroy: (error, done) => {
        // The device learns whether all has left, or nobody waits any more.
        ws.resume();
        ws.close(this.#isComplete && error === null ? UPLOAD_CLOSE_CODES.done : UPLOAD_CLOSE_CODES.stopped);
        if (!this.#isComplete) ws.terminate();
        done(error);
      },
    });
    // Destroyed before anybody reads it, it would be a fault of the program otherwise.
    this.stream.on("error", () => undefined);
  }

  /** Bytes that have come, less what waits. */
  get passed(): number {
    return this.#length - this.#heldBack.length - this.stream.readableLength;
  }

  takeBytes(data: Buffer): void {
    this.#length += data.length;
    const size = this.#head?.size;
    if (this.#head === undefined || this.#isComplete || (size !== undefined && this.#length > size))
      this.refuse();
    else {
      const earlier = this.#heldBack;
      this.#heldBack = data;
      if (earlier.length > 0 && !this.stream.push(earlier)) this.#ws.pause();
    }
  }

  /** @returns the head, when this is it. */
  takeText(data: Buffer): UploadHead | undefined {
    if (this.#head === undefined) {
      this.#head = parsed(uploadHead, data);
      if (this.#head === undefined) this.refuse();
      return this.#head;
    }
    const bytes = parsed(uploadEnd, data)?.bytes;
    const announced = this.#head.size ?? bytes;
    if (this.#isComplete || bytes === undefined || bytes !== this.#length || bytes !== announced)
      this.refuse();
    else {
      this.#isComplete = true;
      if (this.#heldBack.length > 0) this.stream.push(this.#heldBack);
      this.stream.push(null);
    }
    return undefined;
  }

  refuse(): void {
    this.#ws.close(UPLOAD_CLOSE_CODES.refused);
    this.stream.destroy(
      new AppError("ERR_PROTOCOL", "The device sent something else than it had announced.", {
        remedy: "Use an agent and a service of the same version.",
      }),
    );
  }

  closed(): void {
    if (!this.#isComplete) this.stream.destroy(brokenOff());
  }

  stalled(): void {
    this.stream.destroy(
      new AppError("ERR_CANCELLED", "The download has stood still for too long.", {
        remedy: "Start it again.",
      }),
    );
  }
}

function parsed<T>(
  schema: { safeParse: (value: unknown) => { success: boolean; data?: T } },
  data: Buffer,
): T | undefined {
  try {
    return schema.safeParse(JSON.parse(data.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

function watchStalled(receiver: Receiver): () => void {
  let passed = -1;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (receiver.passed !== passed) {
      passed = receiver.passed;
      sinceMs = now;
    } else if (now - sinceMs > STALLED_MS) receiver.stalled();
  }, LOOK_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

export function brokenOff(): AppError {
  return new AppError("ERR_RUN_LOST", "The device broke off what it was sending.", {
    remedy: "See in the tasks why, and start the download again.",
  });
}
