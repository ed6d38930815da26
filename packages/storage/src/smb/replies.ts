/**
 * Reading the helper's frames; see messages.ts for why nothing in them is believed.
 *
 * @module
 */
import {
  decodeHeader,
  type Done,
  type Failure,
  FAILURE_STAGES,
  HEADER_LENGTH,
  type ListedObject,
  malformed,
  OBJECTS_MAX,
  type Reply,
} from "./messages.ts";

/** Folders that one list may still have before it. */
const FOLDERS_MAX = 100_000;
const ERRNO = /^[A-Z0-9]{1,30}$/;

export interface ReplySink {
  /** @param payloadLength bytes that {@link payload} gets after it. */
  readonly reply: (reply: Reply, payloadLength: number) => void;
  readonly payload: (bytes: Buffer) => void;
}

/** Cuts a stream of bytes into replies. Holds no more than one message. */
export class ReplyReader {
  readonly #sink: ReplySink;
  #header = Buffer.alloc(HEADER_LENGTH);
  #message: Buffer = this.#header;
  #filled = 0;
  #payloadLength = 0;
  #payloadLeft = 0;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  /** @throws AppError `ERR_STORAGE_FAILED` for what is no reply, and what the sink throws. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#payloadLeft > 0) {
        const piece = rest.subarray(0, this.#payloadLeft);
        this.#payloadLeft -= piece.length;
        this.#sink.payload(piece);
        rest = rest.subarray(piece.length);
        continue;
      }
      const taken = rest.copy(this.#message, this.#filled);
      this.#filled += taken;
      rest = rest.subarray(taken);
      if (this.#filled === this.#message.length) this.#next();
    }
  }

  #next(): void {
    this.#filled = 0;
    if (this.#message === this.#header) {
      const { messageLength, payloadLength } = decodeHeader(this.#header);
      if (messageLength === 0) throw malformed();
      this.#message = Buffer.alloc(messageLength);
      this.#payloadLength = payloadLength;
      return;
    }
    const reply = parseReply(this.#message);
    this.#message = this.#header;
    this.#payloadLeft = this.#payloadLength;
    this.#sink.reply(reply, this.#payloadLength);
  }
}

function parseReply(text: Buffer): Reply {
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw malformed();
  }
  if (!isRecord(value)) throw malformed();
  switch (value["kind"]) {
    case "progress":
      return { kind: "progress" };
    case "data":
      return { kind: "data" };
    case "length":
      return { kind: "length", length: count(value["length"]) };
    case "objects":
      return { kind: "objects", objects: list(value["objects"], OBJECTS_MAX).map(listedObject) };
    case "failed":
      return { kind: "failed", failure: failure(value["failure"]) };
    case "done":
      return done(value);
    default:
      throw malformed();
  }
}

function done(value: Readonly<Record<string, unknown>>): Done {
  const { outcome, info, folders, endedAt, free } = value;
  if (outcome !== undefined && outcome !== "created" && outcome !== "exists") throw malformed();
  return {
    kind: "done",
    ...(outcome === undefined ? {} : { outcome }),
    ...(info === undefined ? {} : { info: info === null ? null : statInfo(info) }),
    ...(folders === undefined ? {} : { folders: list(folders, FOLDERS_MAX).map(string) }),
    ...(endedAt === undefined ? {} : { endedAt: count(endedAt) }),
    ...(free === undefined ? {} : { free: free === null ? null : count(free) }),
  };
}

function failure(value: unknown): Failure {
  if (!isRecord(value)) throw malformed();
  const stage = FAILURE_STAGES.find((known) => known === value["stage"]);
  const errno = string(value["errno"]);
  if (stage === undefined || !ERRNO.test(errno)) throw malformed();
  return { stage, errno };
}

function listedObject(value: unknown): ListedObject {
  const [name, size, modifiedMs] = list(value, 3);
  return [string(name), count(size), time(modifiedMs)];
}

function statInfo(value: unknown): readonly [number, number] {
  const [size, modifiedMs] = list(value, 2);
  return [count(size), time(modifiedMs)];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw malformed();
  return value;
}

function string(value: unknown): string {
  if (typeof value !== "string") throw malformed();
  return value;
}

function time(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw malformed();
  return Number(value);
}

function count(value: unknown): number {
  const number = time(value);
  if (number < 0) throw malformed();
  return number;
}
