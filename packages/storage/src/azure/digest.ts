/**
 * Azure compares what arrived with its MD5 (Azure Storage REST, "Put Blob", Content-MD5). Against accidents only: who may
 * interfere is kept out by TLS, and the content of objects is authenticated by itself.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { setImmediate as otherWork } from "node:timers/promises";
import { TransportFailure } from "../remote/transport-failure.ts";

/** Some milliseconds of work. */
const SLICE_BYTES = 4 * 1024 * 1024;

/** Lets other work go on meanwhile. */
export async function md5(bytes: Uint8Array): Promise<Buffer> {
  const hash = createHash("md5");
  for (let offset = 0; offset < bytes.length; offset += SLICE_BYTES) {
    if (offset > 0) await otherWork();
    hash.update(bytes.subarray(offset, offset + SLICE_BYTES));
  }
  return hash.digest();
}

/**
 * @param told what the storage says it stored; an answer need not say it.
 * @throws {TransportFailure}
 */
export function checkStored(told: Uint8Array | undefined, sent: Uint8Array): void {
  if (told === undefined || (told.length === sent.length && timingSafeEqual(told, sent))) return;
  throw new TransportFailure("ERR_STORAGE_FAILED", "what it says it stored is not what was sent");
}
