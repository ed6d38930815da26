/**
 * What a command says: results on standard output, everything else on standard error; with `--json` one object a line on
 * standard output and nothing else.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import type { Progress } from "./progress-meter.ts";

/** A problem that did not end the command. */
export interface Warning {
  readonly message: string;
  readonly code?: string | undefined;
  readonly remedy?: string | undefined;
  /** The file concerned, as bytes. */
  readonly path?: Buffer | undefined;
}

export type JsonFields = Readonly<Record<string, unknown>>;

/** A command calls both of a pair, {@link event} and {@link text}; each form of output takes its own. */
export interface Output {
  /** Whether {@link event} is heard; spares making what nobody sees. */
  readonly isJson: boolean;
  /** One object of the result. */
  event(name: string, fields: JsonFields): void;
  /** One line of the result, already printable. */
  text(line: string): void;
  /** A line for the person at the terminal, beside the result. */
  note(line: string): void;
  progress(progress: Progress): void;
  warning(warning: Warning): void;
  /** The last object; {@link text} says the same to people. */
  summary(fields: JsonFields): void;
  /** @param causes of the error, outermost first; empty unless they are wanted. */
  error(error: ErrorRecord, causes: readonly string[]): void;
  /** Removes the progress line and writes what is still held back. */
  finish(): void;
}

/** A stream of the process, as far as output uses it. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}
