/**
 * Checks of untrusted JSON that the parts of a schedule share. A check says what is wrong and narrows the value; it
 * never throws.
 *
 * @module
 */
import { type ProblemPath, quote } from "./problem.ts";
import { WEEKDAYS, type Weekday } from "./schedule.ts";

/** Takes note of a problem. */
export type Report = (path: ProblemPath, message: string, remedy: string) => void;

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for an object with these keys and no others. */
export function checkObject(
  value: unknown,
  path: ProblemPath,
  keys: { readonly required: readonly string[]; readonly optional?: readonly string[] },
  report: Report,
): value is JsonObject {
  const known = [...keys.required, ...(keys.optional ?? [])];
  if (!isObject(value)) {
    report(path, `Here is ${quote(value)} instead of an object.`, `Give an object with ${known.join(", ")}.`);
    return false;
  }
  const missing = keys.required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) report([...path, missing], `${missing} is missing.`, `Add ${missing}.`);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    report(path, `${quote(unknown)} is not known here.`, `Remove it; known are ${known.join(", ")}.`);
  }
  return missing === undefined && unknown === undefined;
}

/** True for a list of 1 to `max` elements. */
export function checkList(
  value: unknown,
  path: ProblemPath,
  max: number,
  report: Report,
): value is readonly unknown[] {
  if (!Array.isArray(value)) {
    report(path, `Here is ${quote(value)} instead of a list.`, "Give a list with at least one element.");
    return false;
  }
  if (value.length >= 1 && value.length <= max) return true;
  report(
    path,
    `The list has ${String(value.length)} elements; 1 to ${String(max)} are allowed.`,
    value.length === 0 ? "Add at least one." : "Use fewer.",
  );
  return false;
}

export function checkInteger(
  value: unknown,
  path: ProblemPath,
  [min, max]: readonly [number, number],
  report: Report,
): value is number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return true;
  report(path, `${quote(value)} is not possible here.`, `Give a whole number from ${min} to ${max}.`);
  return false;
}

/** `HH:MM`, and `24:00` where the end of a day is meant. */
export function checkTime(value: unknown, path: ProblemPath, report: Report, endOfDay = false): boolean {
  if (typeof value === "string" && /^(?:[01]\d|2[0-3]):[0-5]\d$/.test(value)) return true;
  if (endOfDay && value === "24:00") return true;
  const last = endOfDay ? "24:00" : "23:59";
  report(path, `${quote(value)} is not a time of day.`, `Write it as HH:MM, from "00:00" to "${last}".`);
  return false;
}

export function checkTimes(value: unknown, path: ProblemPath, max: number, report: Report): boolean {
  if (!checkList(value, path, max, report)) return false;
  return value.every((time, index) => checkTime(time, [...path, index], report));
}

export function checkWeekdays(value: unknown, path: ProblemPath, report: Report): boolean {
  if (!checkList(value, path, WEEKDAYS.length, report)) return false;
  return value.every((weekday, index) => checkWeekday(weekday, [...path, index], report));
}

export function checkWeekday(value: unknown, path: ProblemPath, report: Report): value is Weekday {
  if ((WEEKDAYS as readonly unknown[]).includes(value)) return true;
  report(path, `${quote(value)} is not a day of the week.`, `Use one of ${WEEKDAYS.join(", ")}.`);
  return false;
}

/** True when the value is one of the words. */
export function checkWord<const Word extends string>(
  value: unknown,
  path: ProblemPath,
  words: readonly Word[],
  report: Report,
): value is Word {
  if ((words as readonly unknown[]).includes(value)) return true;
  report(path, `${quote(value)} is not known here.`, `Use one of ${words.join(", ")}.`);
  return false;
}
