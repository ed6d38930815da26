import assert from "node:assert/strict";
import { AppError, VERIFY_REMEDY } from "@holdfast/kernel";
import type { ByteRange } from "./contract.ts";

/** A range is ours, not the storage's: a bad one is a broken invariant. */
export function assertRange(range: ByteRange): void {
  assert(Number.isSafeInteger(range.offset) && range.offset >= 0);
  assert(Number.isSafeInteger(range.length) && range.length >= 0);
  assert(Number.isSafeInteger(range.offset + range.length));
}

export function notFound(name: string, location: string, cause?: unknown): AppError {
  return new AppError("ERR_STORAGE_NOT_FOUND", `${name} is missing in ${location}.`, {
    subject: name,
    remedy: "Check that this is the right storage, then run `holdfast verify` on it.",
    cause,
  });
}

export function tooShort(name: string, location: string, range: ByteRange, size: number): AppError {
  const end = String(range.offset + range.length);
  return new AppError(
    "ERR_DAMAGED",
    `${name} in ${location} ends at byte ${String(size)}, before byte ${end}.`,
    {
      subject: name,
      remedy: VERIFY_REMEDY,
    },
  );
}
