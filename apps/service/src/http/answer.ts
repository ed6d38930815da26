/**
 * Answers, built by their schemas: what a schema does not name does not leave.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { z } from "zod";

export interface BuiltAnswer {
  readonly text: string;
  /** `"N"` of a thing with a revision. */
  readonly etag: string | undefined;
}

/** @throws Error naming the fields, never their values, when the program's answer is not what it declares. */
export function buildAnswer(operation: string, schema: z.ZodType, answer: unknown): BuiltAnswer {
  const result = schema.safeParse(answer);
  if (!result.success) {
    const fields = result.error.issues.map(({ path, code }) => `${path.map(String).join(".")} (${code})`);
    throw new Error(`the answer of ${operation} does not fit its schema: ${fields.join(", ")}`);
  }
  return { text: JSON.stringify(result.data), etag: etagOf(result.data) };
}

function etagOf(data: unknown): string | undefined {
  if (typeof data !== "object" || data === null || !("revision" in data)) return undefined;
  assert(typeof data.revision === "number");
  return `"${String(data.revision)}"`;
}
