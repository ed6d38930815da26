/**
 * Runs the tests: `npm test`, or `npm test -- FILTER...` for the files whose path contains one of the filters.
 *
 * `SLOW=1` asks the tests for their long variants; `--name PATTERN` runs only the tests of matching names; `--times` says
 * in the end which files took longest. The run fails when a test fails, when a file holds no test, and when no test was
 * executed at all.
 *
 * @module
 */
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { provideTestPackages } from "./test-packages.ts";
import { useBundledThreads } from "./test-threads.ts";
import { recordTimes } from "./test-times.ts";

const PATTERNS = ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "test/**/*.test.ts"];

/**
 * Paths begin so where files take long. They run first: begun last, one of them keeps one processor busy while the others have
 * nothing left to do. Those of `test/storages` run many programs at once, those of services and agents wait for deadlines: the
 * ones fill the pauses of the others.
 */
const LONG_FIRST = [
  "test/storages/interrupted",
  "test/service/",
  "test/storages/",
  "test/security/",
  "test/",
  "packages/sources/test/backup",
  "apps/command/",
];

/** Where files use PostgreSQL. */
const ON_POSTGRES = ["apps/service/", "test/service/"];

/** A file that runs longer hangs; the long variants are given the time of a night. */
const FILE_TIMEOUT_MS = (process.env["SLOW"] === "1" ? 10 * 60 : 20) * 60_000;

const root = join(import.meta.dirname, "..");

function findFiles(filters: readonly string[]): readonly string[] {
  const wanted = filters.map((filter) => filter.split(sep).join("/").replace(/^\.\//, ""));
  return globSync(PATTERNS, { cwd: root })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => wanted.length === 0 || wanted.some((filter) => path.includes(filter)))
    .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(path: string): number {
  const found = LONG_FIRST.findIndex((start) => path.startsWith(start));
  return found === -1 ? LONG_FIRST.length : found;
}

/** What a run did, counted from its events, so that a run of nothing is told from a good one. */
interface Tally {
  executed: number;
  failed: number;
  readonly filesWithoutTest: string[];
}

interface Outcome {
  readonly details: { readonly type?: string | undefined };
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
}

function isExecuted({ details, skip, todo }: Outcome): boolean {
  return details.type !== "suite" && skip === undefined && todo === undefined;
}

async function runFiles(
  files: readonly string[],
  namePattern: string | undefined,
  execArgv: readonly string[],
): Promise<Tally> {
  const tally: Tally = { executed: 0, failed: 0, filesWithoutTest: [] };
  const paths = files.map((file) => join(root, file));
  const events = run({
    files: paths,
    cwd: root,
    concurrency: availableParallelism(),
    timeout: FILE_TIMEOUT_MS,
    execArgv,
    ...(namePattern === undefined ? {} : { testNamePatterns: [namePattern] }),
  });
  // Node.js reports a file without a test as a test by the name of the file.
  const isFile = (name: string): boolean => paths.includes(resolve(root, name));
  events.on("test:pass", (data) => {
    if (isFile(data.name)) tally.filesWithoutTest.push(relative(root, resolve(root, data.name)));
    else if (isExecuted(data)) tally.executed += 1;
  });
  events.on("test:fail", (data) => {
    if (data.todo !== undefined) return;
    tally.failed += 1;
    if (!isFile(data.name) && isExecuted(data)) tally.executed += 1;
  });
  const report = events.compose(new spec());
  report.pipe(process.stdout);
  await finished(report);
  return tally;
}

/**
 * The tests start thousands of processes and threads, which load the same: they find it compiled, as those of `./holdfast`
 * do.
 */
function shareCompiledCode(): void {
  process.env["NODE_COMPILE_CACHE"] ??= join(root, ".cache", "compile");
}

/** What several of these files share. */
async function provideServers(files: readonly string[]): Promise<AsyncDisposable | undefined> {
  if (!files.some((file) => ON_POSTGRES.some((start) => file.startsWith(start)))) return undefined;
  // Here, not above: the service does not have to load where nobody tests it.
  const { providePostgresOfRun } = await import("../apps/service/test/postgres-of-run.ts");
  return providePostgresOfRun();
}

async function main(): Promise<void> {
  const { values, positionals: filters } = parseArgs({
    options: { name: { type: "string" }, times: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const complete = provideTestPackages();
  if (!complete && process.env["CI"] === "true")
    throw new Error("A continuous run needs every test package.");
  const files = findFiles(filters);
  if (files.length === 0)
    throw new Error(`No test file matches ${filters.join(", ") || PATTERNS.join(", ")}.`);
  shareCompiledCode();
  await using _ = await provideServers(files);
  using times = values.times ? recordTimes() : undefined;
  const execArgv = [...useBundledThreads(), ...(times?.execArgv ?? [])];
  const tally = await runFiles(files, values.name, execArgv);
  process.stdout.write(times?.report(root) ?? "");
  // Under a pattern of names, a file may well have nothing to run.
  const empty = values.name === undefined ? tally.filesWithoutTest : [];
  if (tally.failed > 0) process.exitCode = 1;
  if (empty.length > 0) throw new Error(`No test in ${empty.join(", ")}.`);
  if (tally.executed === 0) throw new Error("No test was executed.");
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
