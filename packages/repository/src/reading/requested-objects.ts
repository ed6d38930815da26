/**
 * Blocking reads through the main thread: a message with the request goes there, and the thread sleeps on a word of shared
 * memory until the answer lies behind it.
 *
 * @module
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { AppError, ERROR_CODES, type ErrorCode, toErrorRecord } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { ExpectedReads, type ObjectPart } from "./expected-reads.ts";
import type { ObjectSource, SyncObjectReader } from "./sync-objects.ts";

/** One answer; longer reads take several. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const STATE = 0;
const LENGTH = 1;
const CLOSED = 2;
const HEADER_BYTES = 64;

const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;
const FAILED = 3;

type Message = { readonly read: ObjectPart } | { readonly expect: readonly ObjectPart[] };

/** The main thread's end of one thread's requests. */
export interface ObjectRequests extends Disposable {
  readonly source: ObjectSource & { readonly kind: "requests" };
}

/** Answers one thread. The storage must be usable until this is disposed; a thread that waits then, or asks later, is told. */
export function answerRequests(storage: Storage, signal?: AbortSignal): ObjectRequests {
  const shared = new SharedArrayBuffer(HEADER_BYTES + ANSWER_BYTES_MAX);
  const words = new Int32Array(shared, 0, 3);
  const { port1, port2 } = new MessageChannel();
  let closed = false;
  const room = new Uint8Array(shared, HEADER_BYTES, ANSWER_BYTES_MAX);
  const reads = new ExpectedReads(storage, signal);
  const settle = (state: number, length: number): void => {
    Atomics.store(words, LENGTH, length);
    Atomics.store(words, STATE, state);
    Atomics.notify(words, STATE);
  };
  const fail = (error: unknown): void => {
    const text = encodeFailure(error);
    room.set(text);
    settle(FAILED, text.length);
  };
  const answer = async (part: ObjectPart): Promise<void> => {
    try {
      await reads.read(part, room);
      if (!closed) settle(ANSWERED, part.length);
    } catch (error) {
      if (!closed) fail(error);
    }
  };
  port1.on("message", (message: Message) => {
    if ("read" in message) void answer(message.read);
    else reads.expect(message.expect);
  });
  port1.unref();
  return {
    source: { kind: "requests", shared, port: port2 },
    [Symbol.dispose]() {
      closed = true;
      port1.close();
      reads.expect([]);
      // Who asks looks at this word behind its own: one of the two sees the other.
      Atomics.store(words, CLOSED, 1);
      if (Atomics.load(words, STATE) === ASKED) fail(closedError());
    },
  };
}

export function openRequestedObjects(shared: SharedArrayBuffer, port: MessagePort): SyncObjectReader {
  const words = new Int32Array(shared, 0, 3);
  const answer = Buffer.from(shared, HEADER_BYTES, ANSWER_BYTES_MAX);
  const ask = (part: ObjectPart): Buffer => {
    Atomics.store(words, STATE, ASKED);
    if (Atomics.load(words, CLOSED) !== 0) throw closedError();
    port.postMessage({ read: part } satisfies Message);
    while (Atomics.load(words, STATE) === ASKED) Atomics.wait(words, STATE, ASKED);
    const bytes = answer.subarray(0, Atomics.load(words, LENGTH));
    const failed = Atomics.exchange(words, STATE, IDLE) === FAILED;
    if (failed) throw decodeFailure(bytes, part.name);
    return bytes;
  };
  let joined = Buffer.alloc(0);
  return {
    read(name, offset, length) {
      if (length <= ANSWER_BYTES_MAX) return ask({ name, offset, length });
      if (joined.length < length) joined = Buffer.allocUnsafeSlow(length);
      for (let done = 0; done < length; done += ANSWER_BYTES_MAX) {
        const part = Math.min(ANSWER_BYTES_MAX, length - done);
        joined.set(ask({ name, offset: offset + done, length: part }), done);
      }
      return joined.subarray(0, length);
    },
    expect(parts) {
      port.postMessage({ expect: parts } satisfies Message);
    },
    close() {
      port.close();
    },
  };
}

function closedError(): AppError {
  return new AppError("ERR_CANCELLED", "The storage was closed while it was being read.");
}

/** Code, message, subject and remedy, with NULs between them. */
function encodeFailure(error: unknown): Buffer {
  const { code, message, subject = "", remedy = "" } = toErrorRecord(error);
  const text = [code, message, subject, remedy].map((part) => part.replaceAll("\0", " ")).join("\0");
  return Buffer.from(text, "utf8").subarray(0, ANSWER_BYTES_MAX);
}

function decodeFailure(bytes: Buffer, name: string): AppError {
  const [code = "", message = `${name} cannot be read.`, subject = "", remedy = ""] = bytes
    .toString("utf8")
    .split("\0");
  return new AppError(isErrorCode(code) ? code : "ERR_STORAGE_FAILED", message, {
    ...(subject === "" ? {} : { subject }),
    ...(remedy === "" ? {} : { remedy }),
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
