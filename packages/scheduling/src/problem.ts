/**
 * What is wrong with a schedule, as data for forms, problem documents and logs.
 *
 * @module
 */

/** Where in the schedule: the keys and array indexes that lead there. */
export type ProblemPath = readonly (string | number)[];

export interface ScheduleProblem {
  readonly path: ProblemPath;
  /** What is wrong, as a sentence. */
  readonly message: string;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

export type ProblemText = Pick<ScheduleProblem, "message" | "remedy">;

/** Shows an untrusted value in a message: short, on one line, and never more than its kind if it is no plain value. */
export function quote(value: unknown): string {
  if (value === null || value === undefined || typeof value === "boolean") return String(value);
  if (typeof value === "number") return String(value);
  if (typeof value === "string")
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  return Array.isArray(value) ? "a list" : "an object";
}
