/**
 * The schedule of a backup plan as data: what is kept in a database, sent over the API and shown in a form.
 *
 * Everything here is JSON. Words are those of the standards that people know: the kinds and `interval` of recurrence
 * rules (RFC 5545, section 3.3.10), cron expressions (POSIX crontab), time zones by their IANA names. Times of day are
 * local times `HH:MM` of the schedule's time zone, from `00:00` to `23:59`. There is no version number: what a rule,
 * a day or a policy is, its `kind` or `policy` says, and new ones get new words.
 *
 * @module
 */

export const WEEKDAYS = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
] as const;

export type Weekday = (typeof WEEKDAYS)[number];

/** At the times that five fields name: minute, hour, day of month, month, day of week. See `cron.ts` for the syntax. */
export interface CronRule {
  readonly kind: "cron";
  readonly expression: string;
}

/** Every `interval` minutes of the local day, counted from `startTime` (`00:00` when absent). It divides 1440. */
export interface MinutelyRule {
  readonly kind: "minutely";
  readonly interval: number;
  readonly startTime?: string | undefined;
}

/** Every `interval` hours of the local day, counted from `startTime` (`00:00` when absent). It divides 24. */
export interface HourlyRule {
  readonly kind: "hourly";
  readonly interval: number;
  readonly startTime?: string | undefined;
}

export interface DailyRule {
  readonly kind: "daily";
  readonly times: readonly string[];
}

export interface WeeklyRule {
  readonly kind: "weekly";
  readonly weekdays: readonly Weekday[];
  readonly times: readonly string[];
}

export interface MonthlyRule {
  readonly kind: "monthly";
  readonly on: MonthlyDay;
  /** 1 is January. Every month when absent. */
  readonly months?: readonly number[] | undefined;
  readonly times: readonly string[];
}

/** Which day of a month. A month without the day (the 31st, a fifth Monday) is left out, as in RFC 5545. */
export type MonthlyDay =
  | { readonly kind: "day"; readonly day: number }
  | { readonly kind: "lastDay" }
  | { readonly kind: "weekday"; readonly ordinal: Ordinal; readonly weekday: Weekday };

export type Ordinal = 1 | 2 | 3 | 4 | 5 | "last";

export type ScheduleRule = CronRule | MinutelyRule | HourlyRule | DailyRule | WeeklyRule | MonthlyRule;

/** The hours of the week in which a backup may run. */
export interface BackupWindow {
  /** At least one; they may overlap. */
  readonly allowed: readonly AllowedHours[];
}

/** From `from` of each of these days to `to` of the same day, or of the day after when `to` is earlier. */
export interface AllowedHours {
  readonly weekdays: readonly Weekday[];
  readonly from: string;
  /** Exclusive; up to `24:00`. Never the same as `from`. */
  readonly to: string;
}

/**
 * What happens when runs were missed: the service was down, the device was off, the run before took too long.
 * `skip`: nothing until the next regular run. `once`: one run for all of them, as soon as possible and inside the
 * window, unless the last of them is more than `maxAgeSeconds` old by then.
 */
export type CatchUp =
  | { readonly policy: "skip" }
  | { readonly policy: "once"; readonly maxAgeSeconds: number };

export interface Schedule {
  /** IANA name, such as `Europe/Berlin` or `UTC`. */
  readonly timeZone: string;
  /** At least one. Times that several of them name count once. */
  readonly rules: readonly ScheduleRule[];
  /** Always open when absent. */
  readonly window?: BackupWindow | undefined;
  /** Starts are spread over so much time after each run's time. 0 when absent. */
  readonly jitterSeconds?: number | undefined;
  /** {@link DEFAULT_CATCH_UP} when absent. */
  readonly catchUp?: CatchUp | undefined;
}

export const DEFAULT_CATCH_UP = { policy: "once", maxAgeSeconds: 86_400 } as const satisfies CatchUp;

/** What a schedule may hold at most, so that untrusted ones cost a bounded time. */
export const SCHEDULE_LIMITS = {
  rules: 32,
  timesPerRule: 96,
  allowedHours: 64,
  expressionLength: 256,
  jitterSeconds: 86_400,
  maxAgeSeconds: 31_536_000,
} as const;
