import type { ObjectInfo } from "../contract.ts";
import { TransportFailure } from "./transport-failure.ts";

/**
 * What a service says of an object, if it makes sense.
 *
 * @throws {TransportFailure}
 */
export function objectInfo(name: string, size: number | undefined, modified: Date | undefined): ObjectInfo {
  const modifiedMs = modified?.getTime();
  if (size === undefined || !Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(modifiedMs)) {
    throw new TransportFailure("ERR_STORAGE_FAILED", `what it says about ${name} makes no sense`);
  }
  // Lists may tell fractions of a second, headers cannot.
  return { name, size, modifiedMs: Math.floor(Number(modifiedMs) / 1000) * 1000 };
}
