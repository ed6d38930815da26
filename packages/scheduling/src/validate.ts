/**
 * What is wrong with a schedule: the check of untrusted JSON, and of what a form holds before it is saved.
 *
 * A schedule that passes has a next run at any time: rules that never run are refused.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { type ProblemPath, quote, type ScheduleProblem } from "./problem.ts";
import { type Schedule, SCHEDULE_LIMITS } from "./schedule.ts";
import {
  checkInteger,
  checkList,
  checkObject,
  checkTime,
  checkWeekdays,
  checkWord,
  isObject,
  type Report,
} from "./shape.ts";
import { openTimeZone } from "./time-zone.ts";
import { checkRule } from "./validate-rule.ts";

/**
 * What is wrong with a value that should be a schedule, in the order of its fields, the first problem of each part;
 * empty when it is valid. Takes any JSON value and a bounded time; fields that are not known are problems too.
 */
export function validateSchedule(value: unknown): readonly ScheduleProblem[] {
  const problems: ScheduleProblem[] = [];
  checkSchedule(value, (path, message, remedy) => problems.push({ path, message, remedy }));
  return problems;
}

/**
 * An untrusted value as a schedule.
 *
 * @throws {AppError} `ERR_USAGE` with the first problem; `validateSchedule` tells all
 */
export function decodeSchedule(value: unknown): Schedule {
  assertSchedule(value);
  return value;
}

function assertSchedule(value: unknown): asserts value is Schedule {
  const [problem] = validateSchedule(value);
  if (problem === undefined) return;
  const { path, message, remedy } = problem;
  throw new AppError("ERR_USAGE", `The schedule is not valid: ${message}`, {
    subject: path.join("."),
    remedy,
  });
}

function checkSchedule(value: unknown, report: Report): void {
  const optional = ["window", "jitterSeconds", "catchUp"];
  checkObject(value, [], { required: ["timeZone", "rules"], optional }, report);
  if (!isObject(value)) return;
  if (value["timeZone"] !== undefined) checkTimeZone(value["timeZone"], report);
  const rules = value["rules"];
  if (rules !== undefined && checkList(rules, ["rules"], SCHEDULE_LIMITS.rules, report)) {
    for (const [index, rule] of rules.entries()) checkRule(rule, ["rules", index], report);
  }
  if (value["window"] !== undefined) checkWindow(value["window"], report);
  if (value["jitterSeconds"] !== undefined) {
    checkInteger(value["jitterSeconds"], ["jitterSeconds"], [0, SCHEDULE_LIMITS.jitterSeconds], report);
  }
  if (value["catchUp"] !== undefined) checkCatchUp(value["catchUp"], report);
}

function checkTimeZone(value: unknown, report: Report): void {
  if (typeof value === "string" && openTimeZone(value) !== undefined) return;
  report(
    ["timeZone"],
    `${quote(value)} is not a time zone.`,
    'Give an IANA name, such as "Europe/Berlin" or "UTC".',
  );
}

function checkWindow(value: unknown, report: Report): void {
  const path = ["window", "allowed"];
  if (!checkObject(value, ["window"], { required: ["allowed"] }, report)) return;
  const allowed = value["allowed"];
  if (!checkList(allowed, path, SCHEDULE_LIMITS.allowedHours, report)) return;
  for (const [index, hours] of allowed.entries()) checkAllowedHours(hours, [...path, index], report);
}

function checkAllowedHours(value: unknown, path: ProblemPath, report: Report): void {
  if (!checkObject(value, path, { required: ["weekdays", "from", "to"] }, report)) return;
  checkWeekdays(value["weekdays"], [...path, "weekdays"], report);
  const from = checkTime(value["from"], [...path, "from"], report);
  const to = checkTime(value["to"], [...path, "to"], report, true);
  if (from && to && value["from"] === value["to"]) {
    report(
      [...path, "to"],
      `The hours begin and end at ${quote(value["to"])}.`,
      'For a whole day write from "00:00" to "24:00".',
    );
  }
}

function checkCatchUp(value: unknown, report: Report): void {
  const path = ["catchUp"];
  const policy = isObject(value) ? value["policy"] : undefined;
  if (!checkWord(policy, [...path, "policy"], ["skip", "once"], report)) return;
  if (policy === "skip") {
    checkObject(value, path, { required: ["policy"] }, report);
  } else if (checkObject(value, path, { required: ["policy", "maxAgeSeconds"] }, report)) {
    const limits = [0, SCHEDULE_LIMITS.maxAgeSeconds] as const;
    checkInteger(value["maxAgeSeconds"], [...path, "maxAgeSeconds"], limits, report);
  }
}
