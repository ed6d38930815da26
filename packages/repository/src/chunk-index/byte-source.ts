/**
 * Random access to the bytes of one segment, without waiting: threads look chunks up in the middle of their work.
 *
 * @module
 */
import { fstatSync, readSync } from "node:fs";
import { AppError } from "@holdfast/kernel";
import { damagedSegment } from "./segment-format.ts";

export interface ByteSource {
  /** Bytes. */
  readonly length: number;
  /**
   * Fills `into` with the bytes at `offset`.
   *
   * @throws AppError `ERR_DAMAGED` when the bytes end before, `ERR_STORAGE_FAILED` when they cannot be read.
   */
  readSync(offset: number, into: Uint8Array): void;
}

/** Bytes in memory, which may be shared between threads; nobody may write to them. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return {
    length: bytes.length,
    readSync(offset, into) {
      if (offset + into.length > bytes.length) throw endsEarly(name);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** An open file. The descriptor is the process's: threads may share it; who opened it closes it. */
export function fileSource(descriptor: number, length: number, name: string): ByteSource {
  return {
    length,
    readSync(offset, into) {
      let done = 0;
      while (done < into.length) {
        const count = readAt(descriptor, into, done, offset + done, name);
        if (count === 0) throw endsEarly(name);
        done += count;
      }
    },
  };
}

export function fileLength(descriptor: number): number {
  return fstatSync(descriptor).size;
}

function readAt(descriptor: number, into: Uint8Array, done: number, position: number, name: string): number {
  try {
    return readSync(descriptor, into, done, into.length - done, position);
  } catch (error) {
    throw new AppError("ERR_STORAGE_FAILED", `The object ${name} cannot be read.`, {
      subject: name,
      remedy: "Check the disk that it lies on.",
      cause: error,
    });
  }
}

function endsEarly(name: string): AppError {
  return damagedSegment(`The object ${name}`, "it ends too early");
}
