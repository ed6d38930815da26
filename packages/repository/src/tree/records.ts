/**
 * How the tree meets the rest of the repository: records go out through a {@link RecordSink} and come back through
 * {@link ReadRecord}. Nothing here knows of packs, keys or storages.
 *
 * @module
 */
import { AppError, damaged } from "@holdfast/kernel";
import type { IdOf } from "../packs/record-id.ts";
import type { RefSet } from "./ref-set.ts";

/** Takes finished records. */
export interface RecordSink {
  /** Whether the repository has the record already. */
  has(id: Buffer): boolean;
  /** Called only for what is missing. The buffers are the sink's to keep; `refs` are 32 bytes each, each once. */
  store(type: number, id: Buffer, plaintext: Uint8Array, refs: Buffer): void;
}

/** Gives the plaintext of a record, already authenticated and checked against its id. */
export type ReadRecord = (type: number, id: Buffer) => Promise<Buffer>;

/** Names a record and stores it if it is new. `plaintext` and `refs` may be reused afterwards. */
export function putRecord(
  sink: RecordSink,
  idOf: IdOf,
  type: number,
  plaintext: Uint8Array,
  refs: RefSet,
): Buffer {
  const id = idOf(type, plaintext);
  if (!sink.has(id)) sink.store(type, id, Buffer.from(plaintext), Buffer.from(refs.view()));
  return id;
}

/** A structure that is well-formed by itself but does not fit what refers to it. */
export function damagedRecord(what: string, id: Buffer, reason: string): AppError {
  return damaged(recordSubject(what, id), reason);
}

export function recordSubject(what: string, id: Buffer): string {
  return `The ${what} ${id.toString("hex", 0, 8)}`;
}

/** @throws AppError `ERR_CANCELLED`, or the signal's reason when that is an {@link AppError}. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof AppError) throw signal.reason;
  throw new AppError("ERR_CANCELLED", "Reading the copy was cancelled.", { cause: signal.reason });
}
