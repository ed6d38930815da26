/**
 * Runs one command: reads its arguments, carries it out, and turns whatever goes wrong into a line and an exit code.
 *
 * @module
 */
import process from "node:process";
import { AppError, ERROR_CODES, toErrorRecord } from "@holdfast/kernel";
import { parseCommandLine } from "./command-line.ts";
import { readConfiguration } from "./configuration.ts";
import { cancelled, type Interrupt, listenForInterrupt } from "./interrupt.ts";
import { createJsonOutput } from "./output/json-output.ts";
import type { Output, TextStream } from "./output/output.ts";
import { createTextOutput } from "./output/text-output.ts";

const CAUSES_MAX = 8;
const UNREAD = "Nobody reads the output any more.";

/** @returns the exit code. Throws nothing. */
export async function runCommand(argumentsGiven: readonly string[]): Promise<number> {
  // Before anything else: no thread and no program that is started later is to inherit it.
  const environmentKey = await takeEnvironmentKey();
  using interrupt = listenForInterrupt();
  const output = createOutput(argumentsGiven);
  const lost = watchStandardOutput(interrupt);
  const exit = await runParsed(argumentsGiven, { output, interrupt, environmentKey });
  // Where writing to a pipe is asynchronous, the last lines may still be on their way.
  await new Promise((resolve) => process.stdout.write("", resolve));
  // A result that nobody got is no success, and one that ended early because of that has been told already.
  if (exit !== 0 || lost.error === undefined || lost.error.message === UNREAD) return exit;
  return report(lost.error, output, interrupt, argumentsGiven.includes("--verbose"));
}

interface RunContext {
  readonly output: Output;
  readonly interrupt: Interrupt;
  readonly environmentKey: Buffer | undefined;
}

async function runParsed(
  argumentsGiven: readonly string[],
  { output, interrupt, environmentKey }: RunContext,
): Promise<number> {
  try {
    const parsed = await parseCommandLine(argumentsGiven, (text) => process.stdout.write(text));
    if (parsed === undefined) return 0;
    const configuration = readConfiguration(process.env);
    const { definition, operands, options } = parsed;
    const { run } = await definition.load();
    return await run({ operands, options, output, signal: interrupt.signal, configuration, environmentKey });
  } catch (error) {
    return report(error, output, interrupt, argumentsGiven.includes("--verbose"));
  } finally {
    environmentKey?.fill(0);
    output.finish();
  }
}

async function takeEnvironmentKey(): Promise<Buffer | undefined> {
  if (!("HOLDFAST_KEY" in process.env)) return undefined;
  const { takeEnvironmentSecret } = await import("@holdfast/sources");
  return takeEnvironmentSecret("HOLDFAST_KEY");
}

/** Monotonic. */
function now(): number {
  return performance.now();
}

/** Ends the command when its result goes nowhere any more, and says why. */
function watchStandardOutput(interrupt: Interrupt): { error: AppError | undefined } {
  const lost: { error: AppError | undefined } = { error: undefined };
  process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
    // What reads the result has had enough of it.
    lost.error ??= cause.code === "EPIPE" ? cancelled(UNREAD) : outputLost(cause);
    interrupt.cancel(lost.error);
  });
  // Notes that nobody reads do not matter.
  process.stderr.on("error", () => undefined);
  return lost;
}

function outputLost(cause: NodeJS.ErrnoException): AppError {
  return new AppError("ERR_FAILED", `Standard output cannot be written: ${cause.message}.`, {
    subject: "standard output",
    remedy:
      "What was written there is not complete. Make room, or write it elsewhere, and run the command again.",
    cause,
  });
}

function createOutput(argumentsGiven: readonly string[]): Output {
  const isJson = argumentsGiven.includes("--json");
  // What `dump` writes to standard output is the file, so its objects go beside it.
  const isBinary = argumentsGiven[0] === "dump";
  const result: TextStream = isBinary ? process.stderr : process.stdout;
  return isJson ? createJsonOutput(result, now) : createTextOutput({ result, notes: process.stderr }, now);
}

function report(error: unknown, output: Output, interrupt: Interrupt, verbose: boolean): number {
  const { signal } = interrupt;
  // Whatever an aborted operation fails with, the reason is that it was aborted.
  const isCancelled = signal.aborted && (!(error instanceof AppError) || error.code === "ERR_CANCELLED");
  const told: unknown = isCancelled ? signal.reason : error;
  const record = toErrorRecord(told);
  const isOurs = told instanceof AppError;
  // As any program that is cut off by `head`.
  if (isOurs && told.message === UNREAD) return ERROR_CODES[record.code].exit;
  output.error(
    isOurs ? record : { ...record, remedy: "This is a fault of the program; --verbose shows where." },
    verbose ? causesOf(told) : [],
  );
  return ERROR_CODES[record.code].exit;
}

/** What led to an error, outermost first. For a fault of the program itself, where it happened. */
function causesOf(error: unknown): readonly string[] {
  const causes: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && causes.length < CAUSES_MAX) {
    if (!(current instanceof AppError)) causes.push(current.stack ?? current.message);
    else if (current !== error) causes.push(`${current.code}: ${current.message}`);
    current = current.cause;
  }
  return causes;
}
