/** Turns the records of one or several runs into Markdown: figures, ratios beside their aims, times the limit. */
import { type Aim, aims, cbcCpuAim, type Figure, peakRssAimBytes } from "./aims.ts";
import { type CorpusName, corpusNames } from "./corpus.ts";
import { unavoidableParts } from "./limits.ts";
import { type BenchRecord, type LimitRecord, type StepName, type StepRecord, stepNames } from "./records.ts";
import { type ToolName, toolNames } from "./tools.ts";

const MEGABYTE = 1e6;
/** Below this, starting a program costs more than the work. */
const MEANINGFUL_LIMIT_SECONDS = 0.05;

export function renderReport(records: readonly BenchRecord[]): string {
  const steps = records.filter((record) => record.kind === "step");
  const limits = records.filter((record) => record.kind === "limit");
  const runs = records.filter((record) => record.kind === "run");
  const sections = [
    ...runs.map((run) => {
      const tools = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
      const memory = (run.memoryBytes / 2 ** 30).toFixed(0);
      const cache = run.dropsPageCache ? "" : " The page cache could not be dropped: nothing here is cold.";
      return `${run.at}: ${run.cores} cores, ${run.cpu}, ${memory} GiB, Linux ${run.kernel}, Node ${run.node}; ${tools.join(", ")}.${cache}`;
    }),
    table(["corpus", "files", "bytes", "median file", "digest", "made from"], corpusRows(records)),
    "Median (min–max). Stored: size of the repository after the step; added: what the step added to it.",
    table(
      [
        "corpus",
        "step",
        "tool",
        "runs",
        "wall s",
        "user+sys s",
        "peak RSS MB",
        "stored MB",
        "added MB",
        "load before",
      ],
      figureRows(steps),
    ),
    "Ratios of medians, Holdfast (GCM) to the peer, beside the aims.",
    table(
      ["corpus", "step", "figure", "/ restic", "aim", "/ borg", "aim"],
      aims.map((aim) => aimRow(aim, steps)),
    ),
    table(["figure", "measured", "aim"], otherAims(steps)),
    "The unavoidable parts, each in one thread, once.",
    table(["corpus", "cache", "part", "MB", "CPU s", "wall s", "MB per CPU s"], limits.map(limitRow)),
    "Times the limit: wall time over the CPU seconds of the unavoidable parts spread over all cores.",
    table(["corpus", "step", "limit s", ...toolNames], timesRows(steps, limits, runs[0]?.cores ?? 1)),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function corpusRows(records: readonly BenchRecord[]): string[][] {
  const manifests = records.filter((record) => record.kind === "corpus").map((record) => record.manifest);
  const fresh = manifests.filter(
    (manifest, index) => manifests.findIndex((other) => other.digest === manifest.digest) === index,
  );
  return fresh.map((manifest) => [
    `${manifest.corpus}${manifest.scale === "small" ? " (small)" : ""}`,
    `${manifest.files}`,
    `${manifest.bytes}`,
    `${manifest.medianBytes}`,
    manifest.digest.slice(0, 16),
    manifest.madeFrom.join(", "),
  ]);
}

function figureRows(steps: readonly StepRecord[]): string[][] {
  const rows: string[][] = [];
  for (const corpus of corpusNames) {
    for (const step of stepNames) {
      for (const tool of toolNames) {
        const found = select(steps, corpus, step, tool);
        if (found.length === 0) continue;
        const range = (figure: (record: StepRecord) => number, digits: number): string =>
          rangeOf(found.map(figure), digits);
        rows.push([
          corpus,
          step,
          tool,
          `${found.length}`,
          range((record) => record.wallSeconds, 2),
          range(cpuSeconds, 2),
          range((record) => record.peakRssBytes / MEGABYTE, 0),
          range((record) => record.storedBytes / MEGABYTE, 1),
          range((record) => record.addedBytes / MEGABYTE, 1),
          range((record) => record.loadBefore, 1),
        ]);
      }
    }
  }
  return rows;
}

function aimRow(aim: Aim, steps: readonly StepRecord[]): string[] {
  const against = (peer: ToolName, limit: number): string[] => {
    const own = medianFigure(steps, aim.corpus, aim.step, "holdfast", aim.figure);
    const other = medianFigure(steps, aim.corpus, aim.step, peer, aim.figure);
    return [verdict(own / other, limit, 2), limit.toFixed(2)];
  };
  return [aim.corpus, aim.step, aim.figure, ...against("restic", aim.restic), ...against("borg", aim.borg)];
}

function otherAims(steps: readonly StepRecord[]): string[][] {
  const own = steps.filter((record) => record.tool === "holdfast");
  const peak = own.reduce((most, record) => Math.max(most, record.peakRssBytes), 0);
  const cbc = corpusNames.map((corpus) => {
    const cpu = (tool: ToolName): number => medianFigure(steps, corpus, "first-cold", tool, "cpu");
    return [
      `CPU, CBC / GCM, ${corpus}`,
      verdict(cpu("holdfast-cbc") / cpu("holdfast"), cbcCpuAim, 2),
      `${cbcCpuAim}`,
    ];
  });
  const aim = peakRssAimBytes / MEGABYTE;
  return [
    ["peak RSS MB, any step", verdict(own.length > 0 ? peak / MEGABYTE : Number.NaN, aim, 0), `${aim}`],
    ...cbc,
  ];
}

function limitRow(limit: LimitRecord): string[] {
  const megabytes = limit.bytes / MEGABYTE;
  return [
    limit.corpus,
    limit.cache,
    limit.part,
    megabytes.toFixed(0),
    limit.cpuSeconds.toFixed(2),
    limit.wallSeconds.toFixed(2),
    limit.bytes === 0 ? "–" : (megabytes / limit.cpuSeconds).toFixed(0),
  ];
}

function timesRows(steps: readonly StepRecord[], limits: readonly LimitRecord[], cores: number): string[][] {
  return corpusNames.flatMap((corpus) =>
    stepNames.flatMap((step) => {
      const seconds = limitSeconds(limits, corpus, step) / cores;
      if (!(seconds >= MEANINGFUL_LIMIT_SECONDS)) return [];
      const times = toolNames.map((tool) =>
        format(medianFigure(steps, corpus, step, tool, "wall") / seconds, 1),
      );
      return [[corpus, step, seconds.toFixed(2), ...times]];
    }),
  );
}

/** CPU seconds of a step's unavoidable parts in one thread. */
function limitSeconds(limits: readonly LimitRecord[], corpus: CorpusName, step: StepName): number {
  const cache = step === "first-warm" ? "warm" : "cold";
  return limits
    .filter((limit) => limit.corpus === corpus && limit.cache === cache)
    .filter((limit) => unavoidableParts[step].includes(limit.part))
    .reduce((sum, limit) => sum + limit.cpuSeconds, 0);
}

function medianFigure(
  steps: readonly StepRecord[],
  corpus: CorpusName,
  step: StepName,
  tool: ToolName,
  figure: Figure,
): number {
  return median(select(steps, corpus, step, tool).map(figureOf[figure]));
}

const figureOf: Readonly<Record<Figure, (record: StepRecord) => number>> = {
  wall: (record) => record.wallSeconds,
  cpu: cpuSeconds,
  stored: (record) => record.storedBytes,
  added: (record) => record.addedBytes,
};

function cpuSeconds(record: StepRecord): number {
  return record.userSeconds + record.systemSeconds;
}

function select(
  steps: readonly StepRecord[],
  corpus: CorpusName,
  step: StepName,
  tool: ToolName,
): StepRecord[] {
  return steps.filter((record) => record.corpus === corpus && record.step === step && record.tool === tool);
}

/** NaN for no values, which prints as a dash. */
function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  const high = sorted[sorted.length >> 1] ?? Number.NaN;
  return (low + high) / 2;
}

function rangeOf(numbers: readonly number[], digits: number): string {
  const middle = median(numbers).toFixed(digits);
  if (numbers.length === 1) return middle;
  return `${middle} (${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)})`;
}

function verdict(value: number, aim: number, digits: number): string {
  if (!Number.isFinite(value)) return "–";
  return `${value.toFixed(digits)} ${value <= aim ? "met" : "**missed**"}`;
}

function format(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : [head, head.map(() => "---"), ...rows].map(tableLine).join("\n");
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
