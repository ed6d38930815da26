/** What a run writes down, and the tables made of it. */
import type { Measurement } from "../measure.ts";
import { type KindName, kindNames } from "./service.ts";
import type { Content } from "./source.ts";

export const directions = ["up", "down"] as const;
export type Direction = (typeof directions)[number];

export interface MachineRecord {
  readonly record: "machine";
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly content: Content;
  /** Of a round trip, in addition to what the loopback interface takes. */
  readonly latencyMs: number;
}

export interface TransferRecord extends Measurement {
  readonly record: "transfer";
  readonly kind: KindName;
  readonly client: string;
  readonly direction: Direction;
  readonly run: number;
}

export type StorageRecord = MachineRecord | TransferRecord;

export function renderTables(records: readonly StorageRecord[]): string {
  const transfers = records.filter((record) => record.record === "transfer");
  const rows = kindNames.flatMap((kind) =>
    directions.flatMap((direction) => clientRows(transfers, kind, direction)),
  );
  const head = [
    "storage",
    "way",
    "client",
    "runs",
    "wall s",
    "CPU s",
    "wall, holdfast / it",
    "CPU, holdfast / it",
  ];
  return [
    ...records.filter((record) => record.record === "machine").map(machineLine),
    "",
    table(head, rows),
    "",
  ].join("\n");
}

function machineLine(machine: MachineRecord): string {
  const memory = `${String(Math.round(machine.memoryBytes / 2 ** 30))} GiB`;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const line = machine.latencyMs === 0 ? "" : `, round trips ${String(machine.latencyMs)} ms longer`;
  const what = `${String(Math.round(machine.bytes / 2 ** 20))} MiB of ${machine.content}${line}`;
  const parts = [`${String(machine.cores)} cores`, machine.cpu, memory, `Linux ${machine.kernel}`];
  return `Machine: ${parts.join(", ")}, Node ${machine.node}; ${versions.join(", ")}. ${what}.`;
}

function clientRows(transfers: readonly TransferRecord[], kind: KindName, direction: Direction): string[][] {
  const here = transfers.filter((one) => one.kind === kind && one.direction === direction);
  const clients = [...new Set(here.map(({ client }) => client))];
  const own = here.filter(({ client }) => client === "holdfast");
  return clients.map((client) => {
    const found = here.filter((one) => one.client === client);
    const ratio = (figure: (one: TransferRecord) => number): string =>
      client === "holdfast" ? "" : rangeOf(ratios(own, found, figure));
    return [
      kind,
      direction,
      client,
      String(found.length),
      rangeOf(found.map(wallSeconds)),
      rangeOf(found.map(cpuSeconds)),
      ratio(wallSeconds),
      ratio(cpuSeconds),
    ];
  });
}

/** Of each run by itself: what disturbed one program was likely to disturb its neighbour. */
function ratios(
  own: readonly TransferRecord[],
  peer: readonly TransferRecord[],
  figure: (one: TransferRecord) => number,
): number[] {
  return own.flatMap((one) => {
    const other = peer.find(({ run }) => run === one.run);
    return other === undefined ? [] : [figure(one) / figure(other)];
  });
}

const wallSeconds = (one: TransferRecord): number => one.wallSeconds;
const cpuSeconds = (one: TransferRecord): number => one.userSeconds + one.systemSeconds;

function rangeOf(numbers: readonly number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  const high = sorted[sorted.length >> 1] ?? Number.NaN;
  const median = ((low + high) / 2).toFixed(2);
  if (sorted.length < 2) return median;
  return `${median} (${(sorted[0] ?? 0).toFixed(2)}–${(sorted.at(-1) ?? 0).toFixed(2)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
