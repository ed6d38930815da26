/**
 * What can be wrong with one rule of a schedule.
 *
 * @module
 */
import { hasAnyDay, toCalendar } from "./calendar.ts";
import { parseCron } from "./cron.ts";
import { MINUTES_PER_DAY } from "./dates.ts";
import { type ProblemPath, quote } from "./problem.ts";
import { SCHEDULE_LIMITS, type ScheduleRule } from "./schedule.ts";
import {
  checkInteger,
  checkList,
  checkObject,
  checkTime,
  checkTimes,
  checkWeekday,
  checkWeekdays,
  checkWord,
  isObject,
  type JsonObject,
  type Report,
} from "./shape.ts";

const RULE_KINDS = ["cron", "minutely", "hourly", "daily", "weekly", "monthly"] as const;

type Check = (rule: JsonObject, path: ProblemPath, report: Report) => boolean;

const CHECKS: Readonly<Record<(typeof RULE_KINDS)[number], Check>> = {
  cron: checkCron,
  minutely: (rule, path, report) => checkInterval(rule, path, MINUTES_PER_DAY / 2, report),
  hourly: (rule, path, report) => checkInterval(rule, path, 24, report),
  daily: (rule, path, report) =>
    checkObject(rule, path, { required: ["kind", "times"] }, report) && checkRuleTimes(rule, path, report),
  weekly: (rule, path, report) =>
    checkObject(rule, path, { required: ["kind", "weekdays", "times"] }, report) &&
    checkWeekdays(rule["weekdays"], [...path, "weekdays"], report) &&
    checkRuleTimes(rule, path, report),
  monthly: checkMonthly,
};

export function checkRule(value: unknown, path: ProblemPath, report: Report): void {
  if (!isRule(value, path, report) || hasAnyDay(toCalendar(value))) return;
  report(path, "The rule never runs: no month that it names has such a day.", "Choose days that exist.");
}

function isRule(value: unknown, path: ProblemPath, report: Report): value is ScheduleRule {
  if (!isObject(value)) {
    report(path, `Here is ${quote(value)} instead of a rule.`, "Give an object with a kind.");
    return false;
  }
  const kind = value["kind"];
  return checkWord(kind, [...path, "kind"], RULE_KINDS, report) && CHECKS[kind](value, path, report);
}

function checkCron(rule: JsonObject, path: ProblemPath, report: Report): boolean {
  if (!checkObject(rule, path, { required: ["kind", "expression"] }, report)) return false;
  const expression = rule["expression"];
  const expressionPath = [...path, "expression"];
  if (typeof expression !== "string") {
    report(
      expressionPath,
      `Here is ${quote(expression)} instead of a text.`,
      'Give five fields, "0 22 * * 1-5".',
    );
    return false;
  }
  const parsed = parseCron(expression);
  if (!("problem" in parsed)) return true;
  report(expressionPath, parsed.problem.message, parsed.problem.remedy);
  return false;
}

function checkInterval(rule: JsonObject, path: ProblemPath, max: number, report: Report): boolean {
  const keys = { required: ["kind", "interval"], optional: ["startTime"] };
  if (!checkObject(rule, path, keys, report)) return false;
  const interval = rule["interval"];
  const intervalPath = [...path, "interval"];
  if (!checkInteger(interval, intervalPath, [1, max], report)) return false;
  const perDay = rule["kind"] === "hourly" ? 24 : MINUTES_PER_DAY;
  if (perDay % interval !== 0) {
    const unit = rule["kind"] === "hourly" ? "hours" : "minutes";
    report(
      intervalPath,
      `The ${String(perDay)} ${unit} of a day cannot be divided by ${String(interval)}.`,
      `Use ${nearestDivisors(perDay, interval).join(" or ")}.`,
    );
    return false;
  }
  const startTime = rule["startTime"];
  return startTime === undefined || checkTime(startTime, [...path, "startTime"], report);
}

function nearestDivisors(total: number, interval: number): readonly number[] {
  let below = interval;
  let above = interval;
  while (total % below !== 0) below -= 1;
  while (total % above !== 0) above += 1;
  return [below, above];
}

function checkRuleTimes(rule: JsonObject, path: ProblemPath, report: Report): boolean {
  return checkTimes(rule["times"], [...path, "times"], SCHEDULE_LIMITS.timesPerRule, report);
}

function checkMonthly(rule: JsonObject, path: ProblemPath, report: Report): boolean {
  const keys = { required: ["kind", "on", "times"], optional: ["months"] };
  if (!checkObject(rule, path, keys, report)) return false;
  const months = rule["months"];
  return (
    checkMonthlyDay(rule["on"], [...path, "on"], report) &&
    (months === undefined || checkMonths(months, [...path, "months"], report)) &&
    checkRuleTimes(rule, path, report)
  );
}

function checkMonths(value: unknown, path: ProblemPath, report: Report): boolean {
  if (!checkList(value, path, 12, report)) return false;
  return value.every((month, index) => checkInteger(month, [...path, index], [1, 12], report));
}

function checkMonthlyDay(value: unknown, path: ProblemPath, report: Report): boolean {
  const kind = isObject(value) ? value["kind"] : undefined;
  if (!checkWord(kind, [...path, "kind"], ["day", "lastDay", "weekday"], report)) return false;
  if (kind === "lastDay") return checkObject(value, path, { required: ["kind"] }, report);
  if (kind === "day") {
    return (
      checkObject(value, path, { required: ["kind", "day"] }, report) &&
      checkInteger(value["day"], [...path, "day"], [1, 31], report)
    );
  }
  return (
    checkObject(value, path, { required: ["kind", "ordinal", "weekday"] }, report) &&
    checkOrdinal(value["ordinal"], [...path, "ordinal"], report) &&
    checkWeekday(value["weekday"], [...path, "weekday"], report)
  );
}

function checkOrdinal(value: unknown, path: ProblemPath, report: Report): boolean {
  if (([1, 2, 3, 4, 5, "last"] as readonly unknown[]).includes(value)) return true;
  report(path, `${quote(value)} does not say which weekday of the month.`, 'Use 1 to 5, or "last".');
  return false;
}
