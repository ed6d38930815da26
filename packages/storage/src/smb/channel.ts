/**
 * The helper's end of the socket to the driver, without an event loop: the library's calls wait, and so does everything.
 *
 * @module
 */
import { readSync, writeSync } from "node:fs";
import { decodeHeader, encodeFrame, HEADER_LENGTH, type Reply, type Request } from "./messages.ts";

export class Channel {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Undefined when the driver is gone. */
  readRequest(): Request | undefined {
    const header = Buffer.alloc(HEADER_LENGTH);
    if (!this.readInto(header)) return undefined;
    const message = Buffer.alloc(decodeHeader(header).messageLength);
    if (!this.readInto(message)) return undefined;
    const request: unknown = JSON.parse(message.toString("utf8"));
    return isRequest(request) ? request : undefined;
  }

  /** Fills `bytes`; false when the driver is gone. */
  readInto(bytes: Uint8Array): boolean {
    let filled = 0;
    while (filled < bytes.length) {
      const length = readSync(this.#descriptor, bytes, filled, bytes.length - filled, null);
      if (length === 0) return false;
      filled += length;
    }
    return true;
  }

  send(reply: Reply, payload: Uint8Array = new Uint8Array(0)): void {
    this.#write(encodeFrame(reply, payload.length));
    this.#write(payload);
  }

  #write(bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) {
      written += writeSync(this.#descriptor, bytes, written, bytes.length - written);
    }
  }
}

/** The driver wrote it, so that its form is as certain as its kind. */
function isRequest(value: unknown): value is Request {
  return typeof value === "object" && value !== null && "op" in value;
}

/** The bytes of a put, which come after its request. */
export class Incoming {
  readonly #channel: Channel;
  #left: number;

  constructor(channel: Channel, size: number) {
    this.#channel = channel;
    this.#left = size;
  }

  /** The next bytes, at the beginning of `buffer`; undefined at the end, or when the driver is gone. */
  take(buffer: Buffer): Buffer | undefined {
    if (this.#left === 0) return undefined;
    const slice = buffer.subarray(0, Math.min(buffer.length, this.#left));
    if (!this.#channel.readInto(slice)) return undefined;
    this.#left -= slice.length;
    return slice;
  }

  get isComplete(): boolean {
    return this.#left === 0;
  }
}
