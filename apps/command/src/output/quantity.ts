/**
 * Numbers as people read them.
 *
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `1.5 GiB`; binary units, three significant digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}

/** `0.8 s`, `42 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${pad(whole % 60)} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 24 * 60) return `${String(Math.floor(minutes / 60))} h ${pad(minutes % 60)} min`;
  const hours = Math.floor(minutes / 60);
  return `${String(Math.floor(hours / 24))} d ${pad(hours % 24)} h`;
}

/** `1 file`, `12,345 files`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatNumber(count)} ${count === 1 ? singular : plural}`;
}

export function formatNumber(value: number): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/gu, ",");
}

/** `2026-03-01 14:05:09` in the machine's time zone. */
export function formatTime(timeMs: number): string {
  const time = new Date(timeMs);
  const date = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map(pad).join("-");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(pad).join(":");
  return `${date} ${clock}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
