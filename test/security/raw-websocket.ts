/**
 * WebSocket frames (RFC 6455, section 5) made by hand, right or wrong, on a connection with a device's certificate.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { AGENT_SERVER_NAME } from "@holdfast/protocol";

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameFields {
  /** Default: text. */
  readonly opcode?: number;
  /** Default: the last of its message. */
  readonly fin?: boolean;
  /** Of the three reserved bits; 4: compressed (RFC 7692). */
  readonly reserved?: number;
  /** What the frame says of its length. Default: the truth. */
  readonly length?: bigint;
  /** Default: as a client must. */
  readonly masked?: boolean;
}

/** A mask of zeros: the payload stays as it is. */
const MASK = Buffer.alloc(4);

export function frame(payload: Buffer | string, fields: FrameFields = {}): Buffer {
  const { opcode = OPCODES.text, fin = true, reserved = 0, masked = true } = fields;
  const content = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const length = lengthField(fields.length ?? BigInt(content.length));
  if (masked) length[0] = (length[0] ?? 0) | 0x80;
  return Buffer.concat([Buffer.from([first]), length, ...(masked ? [MASK] : []), content]);
}

function lengthField(length: bigint): Buffer {
  if (length <= 125n) return Buffer.from([Number(length)]);
  if (length <= 0xffffn) return Buffer.from([126, Number(length >> 8n), Number(length & 0xffn)]);
  const field = Buffer.alloc(9, 127);
  field.writeBigUInt64BE(length, 1);
  return field;
}

/** Of an agent that has been enrolled, out of its state folder. */
export interface AgentIdentity {
  readonly certificate: string;
  readonly privateKey: string;
}

export function identityIn(folder: string): AgentIdentity {
  const identity: { certificate?: unknown; key?: unknown } = JSON.parse(
    readFileSync(join(folder, "identity.json"), "utf8"),
  );
  return {
    certificate: String(identity.certificate),
    privateKey: readFileSync(join(folder, String(identity.key)), "utf8"),
  };
}

export interface RawWebSocket {
  readonly socket: Duplex;
  /** What the other side has agreed to beyond RFC 6455. */
  readonly extensions: string | undefined;
  /** Reads on; the code of the other side's closing frame, 1006 when it was cut without one. */
  readonly closing: () => Promise<number>;
}

/** @param service its URL, with its authority. */
export async function openRaw(
  service: { readonly url: string; readonly authority: string },
  { certificate, privateKey }: AgentIdentity,
  path: string,
  subprotocol: string,
): Promise<RawWebSocket> {
  const asked = request(new URL(path, service.url), {
    ca: service.authority,
    servername: AGENT_SERVER_NAME,
    agent: false,
    cert: certificate,
    key: privateKey,
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-protocol": subprotocol,
      "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
    },
  });
  asked.end();
  const { promise, resolve, reject } = Promise.withResolvers<RawWebSocket>();
  asked.once("error", reject);
  asked.once("response", ({ statusCode }) => {
    reject(new Error(`${path} was answered ${String(statusCode)}`));
    asked.destroy();
  });
  asked.once("upgrade", ({ headers }, socket, head) => {
    socket.on("error", () => undefined);
    if (head.length > 0) socket.unshift(head);
    const extensions = headers["sec-websocket-extensions"];
    resolve({ socket, extensions, closing: () => closingOf(socket) });
  });
  return promise;
}

/** RFC 6455, section 7.4.1. */
const [NO_CODE, CUT] = [1005, 1006];

/** Frames of a server are not masked, and here no longer than a frame of the channel may be. */
async function closingOf(socket: Duplex): Promise<number> {
  let code: number | undefined;
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (piece: Buffer) => {
    rest = Buffer.concat([rest, piece]);
    for (let next = frameAt(rest); next !== undefined; next = frameAt(rest)) {
      rest = rest.subarray(next.end);
      if (next.opcode !== OPCODES.close) continue;
      code ??= next.payload.length < 2 ? NO_CODE : next.payload.readUInt16BE();
      // It need not wait to be answered.
      socket.destroy();
    }
  });
  if (!socket.destroyed) {
    // Ends by an error, too.
    await new Promise((resolve) => {
      socket.once("close", resolve);
    });
  }
  return code ?? CUT;
}

function frameAt(bytes: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0);
  if (bytes.length < start) return undefined;
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const end = start + length;
  if (bytes.length < end) return undefined;
  return { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(start, end), end };
}

/**
 * Writes as much as the other side takes, until the signal is aborted.
 *
 * @returns how many times the piece was written.
 */
export async function flood(socket: Duplex, piece: () => Buffer, stop: AbortSignal): Promise<number> {
  let count = 0;
  while (!stop.aborted && !socket.destroyed) {
    count += 1;
    if (!socket.write(piece())) await drained(socket, stop);
    // Lets what has come be read.
    else if (count % 100 === 0) await new Promise(setImmediate);
  }
  return count;
}

async function drained(socket: Duplex, stop: AbortSignal): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  try {
    await Promise.race(["drain", "close"].map((event) => once(socket, event, { signal })));
  } catch {
    // Stopped, or cut.
  } finally {
    over.abort();
  }
}
