/**
 * Events within the bounds that the schemas give texts.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import type { RunEvent } from "@holdfast/protocol";

const TEXT_MAX = 4000;
const PATH_MAX = 4096;

export interface RunWarning {
  readonly code: string;
  /** Raw bytes where a file system gave them. */
  readonly path: Buffer | string;
  readonly message: string;
}

export function warningEvent({ code, path, message }: RunWarning): RunEvent {
  const text = typeof path === "string" ? path : path.toString("utf8");
  return { kind: "warning", code, path: bounded(text, PATH_MAX), message: bounded(message, TEXT_MAX) };
}

export function logEvent(level: "info" | "warning" | "error", text: string): RunEvent {
  return { kind: "log", level, text: bounded(text, TEXT_MAX) };
}

export function failedEvent({ code, message, subject, remedy }: ErrorRecord): RunEvent {
  return {
    kind: "failed",
    error: {
      code,
      message: bounded(message, TEXT_MAX),
      ...(subject === undefined ? {} : { subject: bounded(subject, TEXT_MAX) }),
      ...(remedy === undefined ? {} : { remedy: bounded(remedy, TEXT_MAX) }),
    },
  };
}

/** Cut in the middle: both ends of a path or message say more than its beginning alone. */
export function bounded(text: string, max: number): string {
  if (text.length <= max) return text;
  const half = Math.floor((max - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`.toWellFormed();
}
