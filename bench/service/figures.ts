/** The figures of a run, as Markdown. */
import type { AgentsReport } from "./agents.ts";
import type { Load } from "./load.ts";
import type { Scale } from "./scale.ts";

export interface Sample {
  readonly seconds: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

export interface Run {
  readonly machine: string;
  readonly database: string;
  readonly scale: Scale;
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly seedSeconds: number;
  readonly databaseBytes: number | undefined;
  readonly load: Load;
  readonly agents: AgentsReport;
  readonly samples: readonly Sample[];
  /** Lines of the service's own metrics after the load. */
  readonly metrics: readonly string[];
  /** Lines of the log that are errors. */
  readonly errors: number;
}

const MEBIBYTE = 1024 * 1024;

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function renderRun(run: Run): string {
  const { scale, load, agents } = run;
  const good = load.answers.filter(({ status }) => status < 400);
  return [
    `${run.machine}; ${run.database}; load average before ${run.loadBefore.toFixed(1)}, after ${run.loadAfter.toFixed(1)}.`,
    `${String(agents.connected)} agents, ${String(scale.plans)} plans, ${String(scale.copies)} copies, ${String(scale.tasks)} tasks; ` +
      `${String(scale.rate)} requests/s for ${String(scale.seconds)} s; service, agents and requests share the machine.`,
    "",
    table(
      ["route", "requests", "p50 ms", "p95 ms", "p99 ms", "max ms"],
      [...Map.groupBy(good, ({ name }) => name)]
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([name, answers]) => [name, ...times(answers.map(({ milliseconds }) => milliseconds))])
        .concat([["all", ...times(good.map(({ milliseconds }) => milliseconds))]]),
    ),
    "",
    table(["figure", "value"], figures(run)),
  ].join("\n");
}

function figures(run: Run): string[][] {
  const { load, agents, samples, metrics } = run;
  const first = samples[0];
  const last = samples.at(-1);
  const seconds = (last?.seconds ?? 0) - (first?.seconds ?? 0);
  const cpu = (last?.cpuSeconds ?? 0) - (first?.cpuSeconds ?? 0);
  const refused = load.answers.filter(({ status }) => status >= 400);
  const bytes = samples.map(({ residentBytes }) => residentBytes / MEBIBYTE);
  return [
    [
      "answers that were errors",
      `${String(refused.length)} (${[...new Set(refused.map(({ status }) => status))].join(", ")})`,
    ],
    [
      "requests without an answer",
      `${String(load.failures.length)} (${[...new Set(load.failures)].slice(0, 5).join("; ")})`,
    ],
    ["tasks handed to agents / ended", `${String(agents.started)} / ${String(agents.ended)}`],
    [
      "schedule lag ms p50 / p95 / p99 / max",
      `${times(agents.lagsMs).slice(1).join(" / ")} of ${String(agents.lagsMs.length)}`,
    ],
    [
      "the same, all at one moment",
      `${times(agents.burstLagsMs).slice(1).join(" / ")} of ${String(agents.burstLagsMs.length)}`,
    ],
    [
      "the same, devices that were at work then",
      `${times(agents.waitedMs).slice(1).join(" / ")} of ${String(agents.waitedMs.length)}`,
    ],
    ["connecting all agents s", (agents.connectMs / 1000).toFixed(1)],
    ["channels that broke, leases refused", `${String(agents.closed)}, ${String(agents.refusals)}`],
    ["events of change to 20 listeners", String(load.liveEvents)],
    ["CPU of the service", `${cpu.toFixed(1)} s in ${seconds.toFixed(0)} s`],
    [
      "memory of the service MiB, first / greatest / last",
      [bytes[0] ?? 0, Math.max(...bytes), bytes.at(-1) ?? 0].map((one) => one.toFixed(0)).join(" / "),
    ],
    ["database MiB", run.databaseBytes === undefined ? "–" : (run.databaseBytes / MEBIBYTE).toFixed(0)],
    ["filling the database s", run.seedSeconds.toFixed(0)],
    ["delay of the load's own event loop, p99 ms", load.ownDelayP99Ms.toFixed(1)],
    ["errors in the log", String(run.errors)],
    ...metrics
      .map((line) => line.split(/ (?=\S+$)/u))
      .map(([name = "", value = ""]) => [`\`${name}\``, value]),
  ];
}

function times(values: readonly number[]): string[] {
  const shares = [0.5, 0.95, 0.99, 1].map((share) => percentile(values, share).toFixed(1));
  return [String(values.length), ...shares];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map(tableLine).join("\n");
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
