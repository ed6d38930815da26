/**
 * The log of the service: one JSON object a line. Never a secret, a token, a query or a body.
 *
 * @module
 */
import { type Clock, errorCode } from "@holdfast/kernel";

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  readonly info: (event: string, fields?: LogFields) => void;
  readonly error: (event: string, fields?: LogFields) => void;
}

export function createLog(clock: Pick<Clock, "now">, write: (line: string) => void): Log {
  const at =
    (level: "info" | "error") =>
    (event: string, fields: LogFields = {}): void => {
      write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), level, event, ...fields })}\n`);
    };
  return { info: at("info"), error: at("error") };
}

/** What a log tells of an unexpected error. Fields other than these may hold values of rows. */
export function describeError(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  return {
    error: error.name,
    message: error.message,
    code: errorCode(error),
    stack: error.stack,
    cause: error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : undefined,
  };
}
