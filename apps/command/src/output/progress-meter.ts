/**
 * How fast something goes, and how long it will still take.
 *
 * @module
 */
import { formatBytes, formatNumber, formatSeconds } from "./quantity.ts";

/** What a command has done so far. What does not apply, and totals as long as they are not known, are absent. */
export interface Progress {
  /** What is going on, when that changes within a command: `deleting`. */
  readonly phase?: string | undefined;
  readonly files?: number | undefined;
  readonly filesTotal?: number | undefined;
  readonly objects?: number | undefined;
  readonly objectsTotal?: number | undefined;
  readonly bytes?: number | undefined;
  readonly bytesTotal?: number | undefined;
}

/** What is added to it here. */
export interface Pace {
  /** Undefined where bytes are not counted. */
  readonly bytesPerSecond: number | undefined;
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
    if (bytes === undefined) return { bytesPerSecond: undefined, secondsLeft: undefined };
    const bytesPerSecond = this.#speed(bytes, timeMs);
    const left = bytesTotal === undefined ? undefined : Math.max(0, bytesTotal - bytes);
    const secondsLeft = left === undefined || bytesPerSecond <= 0 ? undefined : left / bytesPerSecond;
    return { bytesPerSecond, secondsLeft };
  }

  #speed(bytes: number, timeMs: number): number {
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
    return oldest === undefined || elapsedMs <= 0 ? 0 : ((bytes - oldest.bytes) * 1000) / elapsedMs;
  }
}

/** One line: done of total, speed, files, time left. */
export function formatProgress(progress: Progress, pace: Pace): string {
  const { phase, files, objects, bytes } = progress;
  const parts: string[] = [];
  if (bytes !== undefined) {
    parts.push(share(progress) + ofTotal(bytes, progress.bytesTotal, formatBytes));
    parts.push(`${formatBytes(pace.bytesPerSecond ?? 0)}/s`);
  }
  if (files !== undefined) parts.push(`${ofTotal(files, progress.filesTotal, formatNumber)} files`);
  if (objects !== undefined) parts.push(`${ofTotal(objects, progress.objectsTotal, formatNumber)} objects`);
  if (pace.secondsLeft !== undefined) parts.push(`${formatSeconds(pace.secondsLeft)} left`);
  return `${phase === undefined ? "" : `${phase}: `}${parts.join(", ")}`;
}

function share({ bytes = 0, bytesTotal = 0 }: Progress): string {
  return bytesTotal === 0 ? "" : `${String(Math.min(100, Math.floor((100 * bytes) / bytesTotal)))} %  `;
}

function ofTotal(done: number, total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
}
