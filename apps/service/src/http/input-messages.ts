/**
 * What is wrong with a field, in words for the person who filled it in, where its schema has none of its own.
 *
 * @module
 */
import type { z } from "zod";

const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};
/** What is counted of it. */
const COUNTED: Readonly<Record<string, string>> = { string: " characters", array: " entries" };

/** Undefined: as zod says it. */
export function inputMessage(issue: z.core.$ZodRawIssue): string | undefined {
  const { code } = issue;
  if (code === "too_small") return `has to be ${atLeast(issue)} ${limit(issue.minimum, issue.origin)}`;
  if (code === "too_big") return `has to be ${atMost(issue)} ${limit(issue.maximum, issue.origin)}`;
  if (code !== "invalid_type" && code !== "invalid_value" && code !== "invalid_union") return undefined;
  if (issue.input === undefined) return "is missing";
  if (code === "invalid_type") return `has to be ${KINDS[issue.expected] ?? issue.expected}`;
  if (code === "invalid_union") return "has none of the forms that it may have";
  const values = issue.values.map((value) => JSON.stringify(value)).join(", ");
  return `has to be ${values.replace(/, ([^,]*)$/u, " or $1")}`;
}

function atLeast({ inclusive }: { readonly inclusive?: boolean | undefined }): string {
  return inclusive === false ? "more than" : "at least";
}

function atMost({ inclusive }: { readonly inclusive?: boolean | undefined }): string {
  return inclusive === false ? "less than" : "at most";
}

function limit(value: number | bigint, origin: string): string {
  return `${String(value)}${COUNTED[origin] ?? ""}`;
}
