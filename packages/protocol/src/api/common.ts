/**
 * What the parts of the API have in common.
 *
 * @module
 */
import { z } from "zod";

/** Of lists: pages follow each other by `cursor`, which is opaque. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(400).optional(),
});
export type PageQuery = z.infer<typeof pageQuery>;

/** A page; `next` is the cursor of the next one, absent at the end. */
export function pageOf<T extends z.ZodType>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

export interface Page<T> {
  readonly items: T[];
  readonly next?: string;
}

/** Where a request is not what its schema allows. */
export const inputProblem = z.object({ path: z.string(), message: z.string() });
export type InputProblem = z.infer<typeof inputProblem>;

/** Errors (RFC 9457), as `application/problem+json`. */
export const problem = z.object({
  /** `urn:holdfast:problem:` and the code. */
  type: z.string(),
  /** Of the status. */
  title: z.string(),
  status: z.int(),
  /** What happened, to what. */
  detail: z.string(),
  /** Stable: programs look at this. */
  code: z.string(),
  subject: z.string().optional(),
  /** What to do next. */
  remedy: z.string().optional(),
  /** Of `ERR_INPUT`. */
  problems: z.array(inputProblem).optional(),
  /** Seconds, as in `Retry-After`. */
  retryAfter: z.int().optional(),
  /** Under which the log of the service has more. */
  id: z.string().optional(),
});
export type Problem = z.infer<typeof problem>;
