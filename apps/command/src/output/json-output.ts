/**
 * Output for programs: one JSON object a line.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import { LineBuffer } from "./line-buffer.ts";
import type { JsonFields, Output, TextStream, Warning } from "./output.ts";
import { pathFields } from "./printable.ts";
import { type Progress, ProgressMeter } from "./progress-meter.ts";

const PROGRESS_EVERY_MS = 500;

/** @param now monotonic, in milliseconds. */
export function createJsonOutput(stream: TextStream, now: () => number): Output {
  const lines = new LineBuffer(stream);
  const meter = new ProgressMeter();
  let progressMs = Number.NEGATIVE_INFINITY;
  const event = (name: string, fields: JsonFields): void => {
    lines.add(JSON.stringify({ event: name, ...fields }));
  };
  const eventNow = (name: string, fields: JsonFields): void => {
    event(name, fields);
    lines.flush();
  };
  return {
    isJson: true,
    event,
    text: () => undefined,
    note: () => undefined,
    progress: (progress: Progress) => {
      const timeMs = now();
      const pace = meter.measure(progress, timeMs);
      if (timeMs - progressMs < PROGRESS_EVERY_MS) return;
      progressMs = timeMs;
      eventNow("progress", {
        ...progress,
        ...(pace.bytesPerSecond === undefined ? {} : { bytesPerSecond: Math.round(pace.bytesPerSecond) }),
        ...(pace.secondsLeft === undefined ? {} : { secondsLeft: Math.ceil(pace.secondsLeft) }),
      });
    },
    warning: ({ message, code, remedy, path }: Warning) => {
      eventNow("warning", { code, message, remedy, ...(path === undefined ? {} : pathFields(path)) });
    },
    summary: (fields) => eventNow("summary", fields),
    error: (error: ErrorRecord, causes) => {
      const { code, message, remedy, subject } = error;
      eventNow("error", { code, message, remedy, subject, ...(causes.length === 0 ? {} : { causes }) });
    },
    finish: () => lines.flush(),
  };
}
