/**
 * Tells how far a backup is, at most ten times a second.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { CacheContents } from "./change-cache/format.ts";
import { sumCounters } from "./counters.ts";
import type { BackupProgress } from "./request.ts";

const INTERVAL_MS = 100;

export interface ProgressOptions {
  readonly clock: Clock;
  readonly counters: SharedArrayBuffer;
  /** What the last backup had. */
  readonly expected: CacheContents | undefined;
  readonly report: (progress: BackupProgress) => void;
}

/** Starts reporting; the returned function ends it with a last report. */
export function startProgress({ clock, counters, expected, report }: ProgressOptions): () => void {
  const startedMs = clock.monotonic();
  const tell = (): void => {
    const counts = sumCounters(counters);
    const seconds = (clock.monotonic() - startedMs) / 1000;
    report({
      files: counts.filesNew + counts.filesChanged + counts.filesUnchanged,
      bytes: counts.bytesDone,
      filesExpected: expected?.files,
      bytesExpected: expected?.bytes,
      bytesPerSecond: seconds > 0 ? counts.bytesDone / seconds : 0,
    });
  };
  const timer = setInterval(tell, INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    tell();
  };
}
