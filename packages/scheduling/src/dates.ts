/**
 * Dates of the Gregorian calendar as numbers of days since 1970-01-01, without any time zone.
 *
 * @module
 */

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
export const MINUTES_PER_DAY = 1440;

/** After 400 years dates and weekdays repeat exactly. */
const DAYS_PER_CYCLE = 146_097;

export interface CalendarDate {
  /** 1 is January. */
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly daysInMonth: number;
}

/**
 * The date of a day number. Integer arithmetic instead of `Date`, because searches for rare dates call it often.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
 */
export function dateOfDay(epochDay: number): CalendarDate {
  const shifted = epochDay + 719_468; // days since 0000-03-01, so that leap days are the last of their years
  const era = Math.floor(shifted / DAYS_PER_CYCLE);
  const dayOfEra = shifted - era * DAYS_PER_CYCLE;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153); // 0 is March
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return {
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    weekday: weekdayOfDay(epochDay),
    daysInMonth: daysInMonth(year, month),
  };
}

/** 0 is Sunday; 1970-01-01 was a Thursday. */
export function weekdayOfDay(epochDay: number): number {
  return (((epochDay + 4) % 7) + 7) % 7;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}
