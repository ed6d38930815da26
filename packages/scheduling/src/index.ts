export { decodeSchedule, validateSchedule } from "./validate.ts";
export { describeRule, describeSchedule } from "./describe.ts";
export { LATE_START_MS, nextRun, type NextRunQuery, type PlannedRun } from "./next-run.ts";
export { nextRuns, startTime, windowAt } from "./runs.ts";
export {
  type AllowedHours,
  type BackupWindow,
  type CatchUp,
  type CronRule,
  type DailyRule,
  type HourlyRule,
  type MinutelyRule,
  type MonthlyDay,
  type MonthlyRule,
  type Ordinal,
  type Schedule,
  SCHEDULE_LIMITS,
  type ScheduleRule,
  WEEKDAYS,
  type Weekday,
  type WeeklyRule,
} from "./schedule.ts";
