/**
 * Checks what comes in against its schemas.
 *
 * A schema that lets unknown fields pass would drop them silently; here they are refused, whatever the schema says, so that
 * a misspelt field is an error and not a default.
 *
 * @module
 */
import type { InputProblem } from "@holdfast/protocol";
import type { z } from "zod";
import { inputMessage } from "./input-messages.ts";
import { InputError } from "./problems.ts";

const PROBLEMS_MAX = 20;

/**
 * @param where `body`, `query` or `path`.
 * @throws InputError with the paths of what is wrong.
 */
export function checkInput(schema: z.ZodType, value: unknown, where: string): unknown {
  const result = schema.safeParse(value, { error: inputMessage });
  if (!result.success) {
    throw new InputError(
      result.error.issues
        .slice(0, PROBLEMS_MAX)
        .map(({ path, message }) => ({ path: pathText(where, path), message })),
    );
  }
  const problems: InputProblem[] = [];
  collectProblems(value, result.data, where, problems);
  if (problems.length > 0) throw new InputError(problems);
  return result.data;
}

/** Fields of `given` that `taken` does not have, and texts that a database cannot keep as they are. */
function collectProblems(given: unknown, taken: unknown, path: string, problems: InputProblem[]): void {
  if (problems.length >= PROBLEMS_MAX) return;
  if (typeof given === "string") {
    if (given.includes("\0")) problems.push({ path, message: "has the character U+0000" });
    if (!given.isWellFormed()) problems.push({ path, message: "has half of a surrogate pair" });
  }
  if (!isContainer(given) || !isContainer(taken)) return;
  for (const [key, value] of Object.entries(given)) {
    if (key.includes("\0")) problems.push({ path, message: "has the character U+0000" });
    else if (!key.isWellFormed()) problems.push({ path, message: "has half of a surrogate pair" });
    else if (!Object.hasOwn(taken, key))
      problems.push({ path: pathText(path, [key]), message: "is not known" });
    else collectProblems(value, Reflect.get(taken, key), pathText(path, [key]), problems);
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function pathText(where: string, path: readonly PropertyKey[]): string {
  return [where, ...path.map(String)].join(".").slice(0, 400);
}
