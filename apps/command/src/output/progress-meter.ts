/**
 * How fast something goes, and how long it will still take.
 *
 * @module
 */
import { formatBytes, formatNumber, formatSeconds } from "./quantity.ts";

/** What a command has done so far. Totals are absent as long as they are not known. */
export interface Progress {
  /** What is going on, when that changes within a command: `Reading`, `Checking`. */
  readonly phase?: string | undefined;
  readonly files?: number | undefined;
  readonly filesTotal?: number | undefined;
  readonly bytes: number;
  readonly bytesTotal?: number | undefined;
}

/** What is added to it here. */
export interface Pace {
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | undefined;
}

/** The speed shown is that of the last seconds: that of the whole run hides that something got stuck. */
const WINDOW_MS = 8000;
const SAMPLES_MAX = 64;
const SAMPLE_EVERY_MS = WINDOW_MS / SAMPLES_MAX;

interface Sample {
  readonly timeMs: number;
  readonly bytes: number;
}

export class ProgressMeter {
  readonly #samples: Sample[] = [];

  /** @param timeMs monotonic. */
  measure(progress: Progress, timeMs: number): Pace {
    const { bytes, bytesTotal } = progress;
    const newest = this.#samples.at(-1);
    // Another phase counts from zero again.
    if (newest !== undefined && bytes < newest.bytes) this.#samples.length = 0;
    if (newest === undefined || timeMs - newest.timeMs >= SAMPLE_EVERY_MS)
      this.#samples.push({ timeMs, bytes });
    while (this.#samples.length > 1 && timeMs - (this.#samples[0]?.timeMs ?? timeMs) > WINDOW_MS) {
      this.#samples.shift();
    }
    const [oldest] = this.#samples;
    const elapsedMs = oldest === undefined ? 0 : timeMs - oldest.timeMs;
    const bytesPerSecond =
      oldest === undefined || elapsedMs <= 0 ? 0 : ((bytes - oldest.bytes) * 1000) / elapsedMs;
    const left = bytesTotal === undefined ? undefined : Math.max(0, bytesTotal - bytes);
    const secondsLeft = left === undefined || bytesPerSecond <= 0 ? undefined : left / bytesPerSecond;
    return { bytesPerSecond, secondsLeft };
  }
}

/** One line: done of total, speed, files, time left. */
export function formatProgress(progress: Progress, pace: Pace): string {
  const { phase, files, filesTotal, bytes, bytesTotal } = progress;
  const parts = [];
  const share =
    bytesTotal === undefined || bytesTotal === 0
      ? ""
      : `${String(Math.min(100, Math.floor((100 * bytes) / bytesTotal)))} %  `;
  parts.push(`${share}${ofTotal(formatBytes(bytes), bytesTotal, formatBytes)}`);
  parts.push(`${formatBytes(pace.bytesPerSecond)}/s`);
  if (files !== undefined) parts.push(`${ofTotal(formatNumber(files), filesTotal, formatNumber)} files`);
  if (pace.secondsLeft !== undefined) parts.push(`${formatSeconds(pace.secondsLeft)} left`);
  return `${phase === undefined ? "" : `${phase}: `}${parts.join(", ")}`;
}

function ofTotal(done: string, total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? done : `${done} of ${format(total)}`;
}
