export { decodeSchedule, validateSchedule } from "./validate.ts";
export { describeRule, describeSchedule } from "./describe.ts";
export { LATE_START_MS, nextRun, type NextRunQuery, type PlannedRun } from "./next-run.ts";
export type { ProblemPath, ScheduleProblem } from "./problem.ts";
export { type FailedRun, maxRetryDelayMs, retryTime } from "./retry.ts";
export {
  MAX_RUNS,
  nextRuns,
  type Run,
  type RunTarget,
  startTime,
  windowAt,
  type WindowState,
} from "./runs.ts";
export {
  type AllowedHours,
  type BackupWindow,
  type CatchUp,
  type CronRule,
  type DailyRule,
  DEFAULT_CATCH_UP,
  type HourlyRule,
  type MinutelyRule,
  type MonthlyDay,
  type MonthlyRule,
  type Ordinal,
  type RetryPolicy,
  type Schedule,
  SCHEDULE_LIMITS,
  type ScheduleRule,
  WEEKDAYS,
  type Weekday,
  type WeeklyRule,
} from "./schedule.ts";
