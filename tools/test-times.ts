/**
 * What each test file took, for `npm test -- --times`: the runner loads this module into the process of every file, which
 * notes at its end what it and its ended children have used.
 *
 * A file that is long and has used little of a processor waits for something.
 *
 * @module
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { isMainThread } from "node:worker_threads";

const VARIABLE = "HOLDFAST_TEST_TIMES";
const SHOWN = 40;
/** Of the times in /proc, as every Linux on today's processors has it. */
const TICKS_PER_SECOND = 100;
/** In what follows the name in parentheses (proc_pid_stat(5)): cutime and cstime. */
const CHILDREN_FIELDS = [13, 14];

interface FileTimes {
  readonly file: string;
  readonly seconds: number;
  readonly processorSeconds: number;
}

export interface TimesRecord extends Disposable {
  /** For the processes of the test files. */
  readonly execArgv: readonly string[];
  /** The files that took longest, a line each with the path from `root`. */
  readonly report: (root: string) => string;
}

/** Makes the files that are run from now on note their times, in a file that is removed in the end. */
export function recordTimes(): TimesRecord {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-times-"));
  const path = join(folder, "times");
  process.env[VARIABLE] = path;
  return {
    execArgv: ["--import", import.meta.url],
    report: (root) => table(existsSync(path) ? readFileSync(path, "utf8") : "", root),
    [Symbol.dispose]: () => {
      delete process.env[VARIABLE];
      rmSync(folder, { recursive: true });
    },
  };
}

function table(lines: string, root: string): string {
  const all = lines
    .split("\n")
    .filter((line) => line !== "")
    .map(fromLine);
  const sum = (of: (times: FileTimes) => number): number =>
    all.reduce((total, times) => total + of(times), 0);
  const rows = all
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, SHOWN)
    .map((times) => row({ ...times, file: relative(root, times.file) }));
  const total = row({
    seconds: sum(({ seconds }) => seconds),
    processorSeconds: sum(({ processorSeconds }) => processorSeconds),
    file: `all ${String(all.length)} files`,
  });
  return ["   seconds  of processors\n", ...rows, total].join("");
}

function row({ seconds, processorSeconds, file }: FileTimes): string {
  return `${seconds.toFixed(1).padStart(10)} ${processorSeconds.toFixed(1).padStart(14)}  ${file}\n`;
}

function fromLine(line: string): FileTimes {
  const [seconds, processorSeconds, ...rest] = line.split(" ");
  return { seconds: Number(seconds), processorSeconds: Number(processorSeconds), file: rest.join(" ") };
}

/** Of the children that have ended; known on Linux only. */
function childrenSeconds(): number {
  if (process.platform !== "linux") return 0;
  const status = readFileSync("/proc/self/stat", "latin1");
  const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
  const ticks = CHILDREN_FIELDS.reduce((total, field) => total + Number(fields[field]), 0);
  return ticks / TICKS_PER_SECOND;
}

function noteAtEnd(path: string, file: string): void {
  process.once("exit", () => {
    const { user, system } = process.cpuUsage();
    const seconds = performance.now() / 1000;
    const processorSeconds = (user + system) / 1_000_000 + childrenSeconds();
    appendFileSync(path, `${String(seconds)} ${String(processorSeconds)} ${file}\n`);
  });
}

const [, file] = process.argv;
const path = process.env[VARIABLE];
if (isMainThread && path !== undefined && file !== undefined) {
  // Not for the processes that the test starts.
  delete process.env[VARIABLE];
  noteAtEnd(path, file);
}
