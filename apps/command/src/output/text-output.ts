/**
 * Output for people: at a terminal with a progress line that is drawn anew, into a pipe with plain lines.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import { LineBuffer } from "./line-buffer.ts";
import type { Output, TextStream, Warning } from "./output.ts";
import { printable } from "./printable.ts";
import { formatProgress, type Progress, ProgressMeter } from "./progress-meter.ts";

export interface TextStreams {
  readonly result: TextStream;
  readonly notes: TextStream;
}

const REDRAW_EVERY_MS = 100;
/** Into a log file a line now and then is enough. */
const PLAIN_EVERY_MS = 30_000;
/** Of a serial console, and of a terminal in a container: they say 0. */
const COLUMNS_UNKNOWN = 80;
const CLEAR_LINE = "\r\u001B[K";

/** @param now monotonic, in milliseconds. */
export function createTextOutput(streams: TextStreams, now: () => number): Output {
  const { notes } = streams;
  const result = new LineBuffer(streams.result);
  const progressLine = new ProgressLine(notes, now);
  const note = (line: string): void => {
    result.flush();
    progressLine.clear();
    notes.write(`${line}\n`);
  };
  return {
    isJson: false,
    event: () => undefined,
    text: (line) => {
      progressLine.clear();
      result.add(line);
    },
    note,
    progress: (progress) => progressLine.show(progress),
    warning: (warning) => note(`holdfast: warning: ${warningText(warning)}`),
    summary: () => undefined,
    error: ({ message, remedy }: ErrorRecord, causes) => {
      note(`holdfast: ${printable(remedy === undefined ? message : `${message} ${remedy}`)}`);
      for (const cause of causes) note(`  because: ${printable(cause)}`);
    },
    finish: () => {
      progressLine.clear();
      result.flush();
    },
  };
}

/** The message names what it is about. */
function warningText({ message, remedy }: Warning): string {
  return printable(remedy === undefined ? message : `${message} ${remedy}`);
}

class ProgressLine {
  readonly #stream: TextStream;
  readonly #now: () => number;
  readonly #meter = new ProgressMeter();
  #shownMs: number;
  #isDrawn = false;

  constructor(stream: TextStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
    // The first plain line comes when it is clear that this takes a while.
    this.#shownMs = stream.isTTY === true ? Number.NEGATIVE_INFINITY : now();
  }

  show(progress: Progress): void {
    const timeMs = this.#now();
    const isTerminal = this.#stream.isTTY === true;
    const pace = this.#meter.measure(progress, timeMs);
    if (timeMs - this.#shownMs < (isTerminal ? REDRAW_EVERY_MS : PLAIN_EVERY_MS)) return;
    this.#shownMs = timeMs;
    const line = formatProgress(progress, pace);
    if (!isTerminal) {
      this.#stream.write(`${line}\n`);
      return;
    }
    // A line that wraps could not be taken back.
    const { columns = 0 } = this.#stream;
    const width = columns > 0 ? columns : COLUMNS_UNKNOWN;
    this.#stream.write(CLEAR_LINE + line.slice(0, width - 1));
    this.#isDrawn = true;
  }

  clear(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    this.#stream.write(CLEAR_LINE);
  }
}
