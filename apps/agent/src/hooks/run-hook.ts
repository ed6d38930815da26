/**
 * Runs a command of the device's owner: without a shell, with little in its environment, for a limited time.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { AppError, type Clock } from "@holdfast/kernel";
import { isAborted } from "../is-aborted.ts";

export interface HookCall {
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** What the command may know besides the path of programs; never a secret. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface HookPorts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: (level: "info" | "warning", text: string) => void;
}

const KILL_AFTER_MS = 10_000;
const LINES_MAX = 200;
const LINE_LENGTH_MAX = 1000;

/** @throws AppError `ERR_HOOK_FAILED`; the signal's reason when it was aborted. */
export async function runHook({ command, timeoutMs, variables }: HookCall, ports: HookPorts): Promise<void> {
  const [program = "", ...words] = command;
  const child = spawn(program, words, {
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ...variables },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, so that what it started ends with it.
    detached: process.platform !== "win32",
    shell: false,
    windowsHide: true,
  });
  const lines = new OutputLines(ports.log);
  child.stdout.on("data", (bytes: Buffer) => lines.add(bytes));
  child.stderr.on("data", (bytes: Buffer) => lines.add(bytes));
  const ended = Promise.withResolvers<string>();
  child.once("error", ({ message }) => ended.resolve(message));
  child.once("close", (code, signal) =>
    ended.resolve(code === 0 ? "" : `ended with ${signal ?? String(code)}`),
  );
  const over = new AbortController();
  const stopped = stopInTime(child, timeoutMs, ports, over.signal);
  const outcome = await ended.promise;
  over.abort();
  lines.finish();
  const why = await stopped;
  if (why === "aborted") ports.signal.throwIfAborted();
  if (why === undefined && outcome === "") return;
  const reason = why === "timeout" ? `did not end within ${String(timeoutMs / 1000)} s` : outcome;
  throw new AppError("ERR_HOOK_FAILED", `The command ${program} ${reason}.`, {
    subject: program,
    remedy: "Its output is in the log of the run.",
  });
}

/** Ends the command when its time is over or the run is, first politely. @returns why, if it had to. */
async function stopInTime(
  child: ChildProcess,
  timeoutMs: number,
  { clock, signal }: HookPorts,
  over: AbortSignal,
): Promise<"timeout" | "aborted" | undefined> {
  await clock.sleep(timeoutMs, AbortSignal.any([signal, over])).catch(() => undefined);
  if (isAborted(over)) return undefined;
  const why = signal.aborted ? "aborted" : "timeout";
  kill(child, "SIGTERM");
  await clock.sleep(KILL_AFTER_MS, over).catch(() => undefined);
  if (!isAborted(over)) kill(child, "SIGKILL");
  return why;
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  const { pid } = child;
  if (pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Its output as lines of the log, bounded. */
class OutputLines {
  readonly #log: HookPorts["log"];
  #rest = "";
  #count = 0;

  constructor(log: HookPorts["log"]) {
    this.#log = log;
  }

  add(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString("utf8")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, LINE_LENGTH_MAX);
    for (const line of lines) this.#tell(line);
  }

  finish(): void {
    if (this.#rest !== "") this.#tell(this.#rest);
    if (this.#count > LINES_MAX)
      this.#log("warning", `${String(this.#count - LINES_MAX)} more lines were left out.`);
  }

  #tell(line: string): void {
    this.#count += 1;
    if (this.#count <= LINES_MAX && line !== "") this.#log("info", line.slice(0, LINE_LENGTH_MAX));
  }
}
