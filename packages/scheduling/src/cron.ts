/**
 * Cron expressions of five fields: minute, hour, day of month, month, day of week.
 *
 * Source: POSIX.1-2024 `crontab` (fields, lists, ranges, "either day matches") with what crontab(5) of Vixie cron adds:
 * steps (`*` or a range, `/`, a number), names of months and weekdays, 7 as Sunday, and the words `@hourly` to `@yearly`.
 * As there, a day matches when it matches either of the two day fields if both are restricted, which means that neither
 * begins with `*`; otherwise it has to match both.
 *
 * Refused, because programs disagree about them: seconds and years (6 and 7 fields), `L`, `W`, `#`, `?`, steps of single
 * numbers (`5/15`) and ranges that wrap around (`22-2`).
 *
 * @module
 */
import { type ProblemText, quote } from "./problem.ts";
import { SCHEDULE_LIMITS } from "./schedule.ts";

export interface CronFields {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly monthDays: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** True when a day needs to match only one of the day fields. */
  readonly eitherDay: boolean;
}

export type ParsedCron = { readonly fields: CronFields } | { readonly problem: ProblemText };

interface FieldRange {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  /** Names of the values from `min` on. */
  readonly names: readonly string[];
}

const MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const MINUTE: FieldRange = { title: "minute", min: 0, max: 59, names: [] };
const HOUR: FieldRange = { title: "hour", min: 0, max: 23, names: [] };
const MONTH_DAY: FieldRange = { title: "day of month", min: 1, max: 31, names: [] };
const MONTH: FieldRange = { title: "month", min: 1, max: 12, names: MONTH_NAMES };
const WEEKDAY: FieldRange = { title: "day of week", min: 0, max: 7, names: WEEKDAY_NAMES };

const WORDS: ReadonlyMap<string, string> = new Map([
  ["@hourly", "0 * * * *"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@weekly", "0 0 * * 0"],
  ["@monthly", "0 0 1 * *"],
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
]);

/** Carries a problem out of the parser; never leaves this module. */
class CronSyntaxError extends Error {
  readonly problem: ProblemText;

  constructor(message: string, remedy: string) {
    super(message);
    this.problem = { message, remedy };
  }
}

export function parseCron(expression: string): ParsedCron {
  try {
    return { fields: parseExpression(expression) };
  } catch (error) {
    if (error instanceof CronSyntaxError) return { problem: error.problem };
    throw error;
  }
}

function parseExpression(expression: string): CronFields {
  if (expression.length > SCHEDULE_LIMITS.expressionLength) {
    throw new CronSyntaxError(
      `The cron expression has ${String(expression.length)} characters; ${String(SCHEDULE_LIMITS.expressionLength)} are allowed.`,
      "Split it into several rules.",
    );
  }
  const trimmed = expression.trim();
  if (trimmed.startsWith("@")) return parseExpression(expandWord(trimmed));
  const texts = trimmed === "" ? [] : trimmed.split(/[ \t]+/);
  const [minute, hour, monthDay, month, weekday] = texts;
  if (
    minute === undefined ||
    hour === undefined ||
    monthDay === undefined ||
    month === undefined ||
    weekday === undefined ||
    texts.length > 5
  ) {
    throw new CronSyntaxError(
      `The cron expression ${quote(expression)} has ${String(texts.length)} fields instead of 5.`,
      'Give minute, hour, day of month, month and day of week, such as "0 22 * * 1-5"; there are no seconds or years.',
    );
  }
  return {
    minutes: parseField(minute, MINUTE),
    hours: parseField(hour, HOUR),
    monthDays: parseField(monthDay, MONTH_DAY),
    months: parseField(month, MONTH),
    weekdays: new Set([...parseField(weekday, WEEKDAY)].map((value) => value % 7)),
    eitherDay: !monthDay.startsWith("*") && !weekday.startsWith("*"),
  };
}

function expandWord(word: string): string {
  const expression = WORDS.get(word.toLowerCase());
  if (expression !== undefined) return expression;
  throw new CronSyntaxError(
    `${quote(word)} is not a word for a schedule.`,
    `Use one of ${[...WORDS.keys()].join(", ")}, or five fields.`,
  );
}

function parseField(text: string, range: FieldRange): ReadonlySet<number> {
  const values = new Set<number>();
  for (const item of text.split(",")) {
    const { from, to, step } = parseItem(item, range);
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

function parseItem(item: string, range: FieldRange): Span {
  const [span = "", stepText, ...excess] = item.split("/");
  const [first = "", last, ...more] = span.split("-");
  if (excess.length > 0 || more.length > 0 || span === "") throw malformed(item, range);
  const step = stepText === undefined ? 1 : parseStep(stepText, item, range);
  if (span === "*") return { from: range.min, to: range.max, step };
  const from = parseValue(first, item, range);
  if (last === undefined) {
    if (stepText === undefined) return { from, to: from, step };
    throw new CronSyntaxError(
      `${quote(item)} in the field "${range.title}" steps from a single value.`,
      `Write a range with a step, such as "${first}-${String(range.max)}/${String(step)}".`,
    );
  }
  const to = parseValue(last, item, range);
  if (to >= from) return { from, to, step };
  throw new CronSyntaxError(
    `The range ${quote(item)} in the field "${range.title}" ends before it begins.`,
    `Write two ranges, such as "${first}-${String(range === WEEKDAY ? 6 : range.max)},${String(range.min)}-${last}".`,
  );
}

function parseStep(text: string, item: string, range: FieldRange): number {
  const step = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (step > 0) return step;
  throw new CronSyntaxError(
    `The step of ${quote(item)} in the field "${range.title}" is not a number from 1 to 99.`,
    'Write a step such as "*/15".',
  );
}

function parseValue(text: string, item: string, range: FieldRange): number {
  const name = range.names.indexOf(text.toLowerCase());
  if (name >= 0) return range.min + name;
  if (!/^\d{1,2}$/.test(text)) throw malformed(item, range);
  const value = Number(text);
  if (value >= range.min && value <= range.max) return value;
  throw new CronSyntaxError(
    `${quote(item)} in the field "${range.title}" is out of range.`,
    `Use values from ${String(range.min)} to ${String(range.max)}.`,
  );
}

function malformed(item: string, range: FieldRange): CronSyntaxError {
  const names = range.names.length === 0 ? "" : ` or names from ${range.names.join(", ")}`;
  return new CronSyntaxError(
    `${quote(item)} is not understood in the field "${range.title}".`,
    `Use numbers from ${String(range.min)} to ${String(range.max)}${names}, "*", lists "1,2", ranges "1-5" and steps ` +
      '"*/2". For last days and n-th weekdays use a monthly rule.',
  );
}
