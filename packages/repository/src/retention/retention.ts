/**
 * Which copies a retention policy keeps. Pure: same copies and policy, same answer.
 *
 * Copies are counted per group (same host, same paths). Each rule walks a group from the newest copy to the oldest and keeps
 * the newest copy of each of the first N periods that have one. A copy that any rule keeps is kept. Periods are counted in
 * UTC; weeks are ISO 8601 weeks.
 *
 * @module
 */

/** How many copies, or periods with a copy, each rule keeps. Absent or 0: the rule keeps nothing. */
export interface RetentionPolicy {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
}

export interface RetainedCopy {
  readonly id: string;
  readonly timeMs: number;
  /** Copies with the same group are counted together. */
  readonly group: string;
}

export interface RetentionDecision<T extends RetainedCopy> {
  /** Newest first, with the names of the rules that keep each. */
  readonly keep: readonly { readonly copy: T; readonly reasons: readonly string[] }[];
  readonly forget: readonly T[];
}

type Rule = keyof RetentionPolicy;

const RULES: readonly Rule[] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];
const DAY_MS = 86_400_000;

export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return RULES.every((rule) => (policy[rule] ?? 0) <= 0);
}

/** An empty policy keeps everything: forgetting all is never what a missing number means. */
export function applyRetention<T extends RetainedCopy>(
  copies: readonly T[],
  policy: RetentionPolicy,
): RetentionDecision<T> {
  const newestFirst = copies.toSorted((a, b) => b.timeMs - a.timeMs || b.id.localeCompare(a.id));
  if (isEmptyPolicy(policy)) {
    return { keep: newestFirst.map((copy) => ({ copy, reasons: ["no rule"] })), forget: [] };
  }
  const decided = [...groups(newestFirst).values()].flatMap((group) => applyToGroup(group, policy));
  return {
    keep: decided.filter(({ reasons }) => reasons.length > 0),
    forget: decided.filter(({ reasons }) => reasons.length === 0).map(({ copy }) => copy),
  };
}

function groups<T extends RetainedCopy>(copies: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const copy of copies) {
    const group = found.get(copy.group);
    if (group === undefined) found.set(copy.group, [copy]);
    else group.push(copy);
  }
  return found;
}

interface Decided<T> {
  readonly copy: T;
  readonly reasons: string[];
}

function applyToGroup<T extends RetainedCopy>(
  newestFirst: readonly T[],
  policy: RetentionPolicy,
): Decided<T>[] {
  const decided = newestFirst.map((copy) => ({ copy, reasons: [] as string[] }));
  for (const rule of RULES) applyRule(decided, rule, policy[rule] ?? 0);
  return decided;
}

function applyRule<T extends RetainedCopy>(decided: readonly Decided<T>[], rule: Rule, count: number): void {
  let left = count;
  let previous: string | undefined;
  for (const { copy, reasons } of decided) {
    if (left <= 0) return;
    const period = PERIOD_OF[rule](copy);
    if (period === previous) continue;
    previous = period;
    left -= 1;
    reasons.push(rule);
  }
}

/** Two copies with the same text are in the same period of the rule. */
const PERIOD_OF: Readonly<Record<Rule, (copy: RetainedCopy) => string>> = {
  last: (copy) => copy.id,
  hourly: (copy) => isoTime(copy).slice(0, 13),
  daily: (copy) => isoTime(copy).slice(0, 10),
  weekly: (copy) => isoWeek(copy.timeMs),
  monthly: (copy) => isoTime(copy).slice(0, 7),
  yearly: (copy) => isoTime(copy).slice(0, 4),
};

function isoTime(copy: RetainedCopy): string {
  return new Date(copy.timeMs).toISOString();
}

/** ISO 8601: a week belongs to the year that its Thursday is in. */
function isoWeek(timeMs: number): string {
  const weekday = (new Date(timeMs).getUTCDay() + 6) % 7;
  const thursday = timeMs + (3 - weekday) * DAY_MS;
  const year = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${String(year)}-W${String(week).padStart(2, "0")}`;
}
