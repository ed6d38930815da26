/**
 * Blocking reads through the main thread: messages say there what to fetch, what was fetched is handed over without being
 * copied, and the thread sleeps on a word of shared memory while it has nothing.
 *
 * @module
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { AppError, toErrorRecord } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { ExpectedReads, type FetchAnswer, type FetchLine, type FetchRequest } from "./expected-reads.ts";
import { FetchQueue } from "./fetch-queue.ts";
import type { ObjectSource, SyncObjectReader } from "./sync-objects.ts";

/** Counts the answers. */
const ANSWERS = 0;
const CLOSED = 1;
const WORDS = 2;
/** Smaller buffers may share their memory with others, and are copied. */
const HANDED_OVER_BYTES_MIN = 64 * 1024;

/** The main thread's end of one thread's requests. */
export interface ObjectRequests extends Disposable {
  readonly source: ObjectSource & { readonly kind: "requests" };
}

/** Answers one thread. The storage must be usable until this is disposed; a thread that waits then, or asks later, is told. */
export function answerRequests(storage: Storage, signal?: AbortSignal): ObjectRequests {
  const shared = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  const words = new Int32Array(shared);
  const { port1, port2 } = new MessageChannel();
  const wake = (): void => {
    Atomics.add(words, ANSWERS, 1);
    Atomics.notify(words, ANSWERS);
  };
  const answer = (message: FetchAnswer, handedOver: readonly ArrayBuffer[]): void => {
    port1.postMessage(message, [...handedOver]);
    wake();
  };
  const queue = new FetchQueue(storage, signal, {
    arrived(id, bytes) {
      const { buffer } = bytes;
      const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
      answer({ id, bytes }, whole && bytes.length >= HANDED_OVER_BYTES_MIN ? [buffer] : []);
    },
    failed(id, error) {
      answer({ id, failure: toErrorRecord(error) }, []);
    },
  });
  port1.on("message", (request: FetchRequest) => {
    if ("fetch" in request) queue.add(request.fetch);
    else if ("hurry" in request) queue.hurry(request.hurry);
    else queue.release(request.release);
  });
  port1.unref();
  return {
    source: { kind: "requests", shared, port: port2 },
    [Symbol.dispose]() {
      queue.clear();
      port1.close();
      Atomics.store(words, CLOSED, 1);
      wake();
    },
  };
}

export function openRequestedObjects(shared: SharedArrayBuffer, port: MessagePort): SyncObjectReader {
  const line = openLine(new Int32Array(shared), port);
  const reads = new ExpectedReads(line);
  return {
    read: (name, offset, length) => reads.read({ name, offset, length }),
    expect: (parts) => reads.expect(parts),
    close() {
      port.close();
    },
  };
}

function openLine(words: Int32Array, port: MessagePort): FetchLine {
  return {
    send(request) {
      port.postMessage(request);
    },
    receive() {
      for (;;) {
        // Looked at before the port: an answer that comes in between changes it, so that nobody sleeps over it.
        const answers = Atomics.load(words, ANSWERS);
        if (Atomics.load(words, CLOSED) !== 0) throw closedError();
        const received: { readonly message: FetchAnswer } | undefined = receiveMessageOnPort(port);
        if (received !== undefined) return received.message;
        Atomics.wait(words, ANSWERS, answers);
      }
    },
  };
}

function closedError(): AppError {
  return new AppError("ERR_CANCELLED", "The storage was closed while it was being read.");
}
