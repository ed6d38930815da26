/** What a benchmark run writes down, one JSON object a line. */
import type { CorpusName, Manifest } from "./corpus.ts";
import type { Measurement } from "./measure.ts";
import type { ToolName } from "./tools.ts";

export const stepNames = ["first-cold", "first-warm", "same", "change", "restore", "verify"] as const;
export type StepName = (typeof stepNames)[number];

export interface RunRecord {
  readonly kind: "run";
  readonly at: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  /** False where the page cache could not be dropped: then no step is really cold. */
  readonly dropsPageCache: boolean;
}

export interface CorpusRecord {
  readonly kind: "corpus";
  readonly manifest: Manifest;
}

export interface StepRecord extends Measurement {
  readonly kind: "step";
  readonly corpus: CorpusName;
  readonly tool: ToolName;
  readonly step: StepName;
  readonly run: number;
  /** Size of the repository after the step, and how much the step added to it. */
  readonly storedBytes: number;
  readonly addedBytes: number;
}

export type LimitPart =
  | "walk"
  | "read"
  | "zero test"
  | "SHA-256"
  | "zstd-3"
  | "AES-256-GCM"
  | "write packs"
  | "read packs"
  | "decrypt"
  | "decompress"
  | "check SHA-256"
  | "create files";

export interface LimitRecord {
  readonly kind: "limit";
  readonly corpus: CorpusName;
  readonly cache: "cold" | "warm";
  readonly part: LimitPart;
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

export type BenchRecord = RunRecord | CorpusRecord | StepRecord | LimitRecord;
