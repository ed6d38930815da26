/**
 * Values that API and agent protocol have in common.
 *
 * @module
 */
import { ERROR_CODES, type ErrorCode, ULID_PATTERN } from "@holdfast/kernel";
import { z } from "zod";

/** An id of this kind, as `newId` makes it. */
export function idOf(kind: string): z.ZodString {
  return z.string().regex(new RegExp(`^${kind}_${ULID_PATTERN}$`, "u"), `is no id of the kind ${kind}`);
}

export const deviceId = idOf("dev");
export const planId = idOf("plan");
export const taskId = idOf("task");
export const runId = idOf("run");
export const leaseId = idOf("lease");
export const secretId = idOf("sec");
export const storageId = idOf("sto");
export const userId = idOf("user");

/** A repository's own id (docs/format.md, section 2). */
export const repositoryId = z.string().regex(/^[0-9a-f]{32}$/u);
/** SHA-256 of a manifest: the id of a copy. */
export const copyId = z.string().regex(/^[0-9a-f]{64}$/u);

/** Milliseconds since 1970. */
export const instant = z.int().nonnegative();
export const count = z.int().nonnegative();

/** Bytes as base 64 of RFC 4648, section 4, with padding. */
export function base64(bytesMax: number): z.ZodString {
  return z
    .string()
    .max(Math.ceil(bytesMax / 3) * 4)
    .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u, "is not base 64");
}

/** One line that a person wrote. */
export const line = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, "has control characters");

export const METHODS = ["gcm", "cbc"] as const;
export const LEVELS = ["low", "normal", "high"] as const;
export const method = z.enum(METHODS);
export const level = z.enum(LEVELS);

/** Of the same shape as `ErrorRecord` of the kernel. */
export const errorRecord = z.object({
  code: z.string().refine((code): code is ErrorCode => Object.hasOwn(ERROR_CODES, code), "is no error code"),
  message: z.string().max(4000),
  subject: z.string().max(4000).optional(),
  remedy: z.string().max(4000).optional(),
});
export type WireError = z.infer<typeof errorRecord>;
