/**
 * English for lists, numbers and durations in descriptions of schedules.
 *
 * @module
 */

/** "a", "a and b", "a, b and c". */
export function joinWords(words: readonly string[]): string {
  const [last] = words.slice(-1);
  if (last === undefined || words.length === 1) return last ?? "";
  return `${words.slice(0, -1).join(", ")} and ${last}`;
}

/** Ascending numbers with runs of three and more as "1 to 7". */
export function joinNumbers(numbers: readonly number[], name: (value: number) => string = String): string {
  const words: string[] = [];
  for (let index = 0; index < numbers.length; ) {
    let end = index;
    while ((numbers[end + 1] ?? Number.NaN) === (numbers[end] ?? Number.NaN) + 1) end += 1;
    const named = numbers.slice(index, end + 1).map(name);
    if (named.length > 2) words.push(`${named[0] ?? ""} to ${named.at(-1) ?? ""}`);
    else words.push(...named);
    index = end + 1;
  }
  return joinWords(words);
}

/** "1 minute", "2 minutes". */
export function plural(count: number, unit: string): string {
  return `${String(count)} ${unit}${count === 1 ? "" : "s"}`;
}

/** A number of seconds in the largest unit that divides it. */
export function formatDuration(seconds: number): string {
  for (const [unit, size] of [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return plural(seconds / size, unit);
  }
  return plural(seconds, "second");
}

/** Minutes of a day as `HH:MM`. */
export function formatTime(minutes: number): string {
  return `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
