/**
 * Measures Holdfast against restic and borg on the same corpora, in one run, tools taking turns:
 * `npm run bench:peers -- [--small] [--runs 5] [--tools LIST] [--corpora LIST] [--steps LIST] [--no-limits]`.
 * Writes JSON lines and a Markdown table to bench/results/. `--report FILE...` makes the table of earlier runs anew.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepareCorpus } from "./corpora.ts";
import { type Corpus, corpusNames } from "./corpus.ts";
import { hasText, parseJson } from "./json.ts";
import { measureLimits } from "./limits.ts";
import { dropPageCache } from "./measure.ts";
import { defaultCacheDirectory, folder, repositoryRoot } from "./places.ts";
import { provideTime } from "./programs.ts";
import { type BenchRecord, type RunRecord, stepNames } from "./records.ts";
import { renderReport } from "./report.ts";
import { runSession } from "./session.ts";
import { provideTool, type Tool, toolNames } from "./tools.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    dir: { type: "string", default: defaultCacheDirectory },
    tools: { type: "string", default: toolNames.join(",") },
    corpora: { type: "string", default: corpusNames.join(",") },
    steps: { type: "string", default: stepNames.join(",") },
    runs: { type: "string", default: "5" },
    small: { type: "boolean", default: false },
    limits: { type: "boolean", default: true },
    "check-restored": { type: "boolean", default: true },
    report: { type: "boolean", default: false },
  },
});

if (values.report) console.log(renderReport(positionals.flatMap(readRecords)));
else {
  try {
    measurePeers();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

function measurePeers(): void {
  const tools = pick("tools", values.tools, toolNames)
    .map((name) => provideTool(name, values.dir))
    .filter((tool) => tool !== undefined);
  if (tools.length === 0) throw new Error("none of the chosen tools is to be had here");
  const corpora = pick("corpora", values.corpora, corpusNames).map((name) =>
    prepareCorpus(name, values.dir, values.small),
  );
  const file = join(
    folder(repositoryRoot, "bench/results"),
    `peers-${new Date().toISOString().replaceAll(":", "")}`,
  );
  const records: BenchRecord[] = [];
  const report = (record: BenchRecord): void => {
    records.push(record);
    appendFileSync(`${file}.jsonl`, `${JSON.stringify(record)}\n`);
    if (record.kind !== "run" && record.kind !== "corpus") console.error(JSON.stringify(record));
  };
  report(describeMachine(tools));
  for (const corpus of corpora) measureCorpus(corpus, tools, report);
  const markdown = renderReport(records);
  writeFileSync(`${file}.md`, markdown);
  console.log(markdown);
}

/** All runs of one corpus: A B C, B C A, C A B, ... so that a drift of the machine meets every tool alike. */
function measureCorpus(corpus: Corpus, tools: readonly Tool[], report: (record: BenchRecord) => void): void {
  report({ kind: "corpus", manifest: corpus.manifest });
  const workDirectory = join(values.dir, "work");
  if (values.limits) for (const record of measureLimits(corpus, workDirectory)) report(record);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`--runs ${values.runs}: say a whole number of at least 1`);
  const steps = new Set(pick("steps", values.steps, stepNames));
  const timeProgram = provideTime(values.dir);
  for (let run = 0; run < runs; run++) {
    for (let turn = 0; turn < tools.length; turn++) {
      const tool = tools[(run + turn) % tools.length];
      if (tool === undefined) continue;
      const checkRestored = values["check-restored"] && run === 0;
      try {
        runSession(tool, corpus, { steps, run, timeProgram, workDirectory, checkRestored }, report);
      } catch (error) {
        console.error(
          `${tool.name}, corpus ${corpus.name}, run ${run}: ${error instanceof Error ? error.message : String(error)}`,
        );
        process.exitCode = 1;
      }
    }
  }
}

function describeMachine(tools: readonly Tool[]): RunRecord {
  return {
    kind: "run",
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? arch(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    versions: Object.fromEntries(tools.map((tool) => [tool.name, tool.version])),
    dropsPageCache: dropPageCache(),
  };
}

/** The names of a comma-separated list, in the order of `allowed`. Throws on an unknown one. */
function pick<Name extends string>(option: string, list: string, allowed: readonly Name[]): Name[] {
  const wanted = list.split(",");
  const unknown = wanted.filter((name) => !allowed.some((known) => known === name));
  if (unknown.length > 0)
    throw new Error(`--${option} ${unknown.join(",")}: choose from ${allowed.join(",")}`);
  return allowed.filter((name) => wanted.includes(name));
}

function readRecords(path: string): BenchRecord[] {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => parseJson(line, isRecord));
}

function isRecord(value: unknown): value is BenchRecord {
  return hasText(value, "kind");
}
