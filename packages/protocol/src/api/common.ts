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
