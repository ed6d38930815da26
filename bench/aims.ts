/** What Holdfast aims at on two cores, as ratios to each peer in one run, medians of at least five. */
import type { CorpusName } from "./corpus.ts";
import type { StepName } from "./records.ts";

export type Figure = "wall" | "cpu" | "stored" | "added";

export interface Aim {
  readonly corpus: CorpusName;
  readonly step: StepName;
  readonly figure: Figure;
  /** Highest ratio Holdfast / peer that meets the aim. */
  readonly restic: number;
  readonly borg: number;
}

export const aims: readonly Aim[] = [
  { corpus: "A", step: "first-cold", figure: "wall", restic: 0.45, borg: 0.3 },
  { corpus: "A", step: "first-warm", figure: "wall", restic: 0.45, borg: 0.3 },
  { corpus: "B", step: "first-cold", figure: "wall", restic: 0.45, borg: 0.45 },
  { corpus: "B", step: "first-warm", figure: "wall", restic: 0.45, borg: 0.45 },
  { corpus: "C", step: "first-cold", figure: "wall", restic: 0.3, borg: 0.3 },
  { corpus: "C", step: "first-warm", figure: "wall", restic: 0.3, borg: 0.3 },
  { corpus: "A", step: "first-cold", figure: "cpu", restic: 0.6, borg: 0.6 },
  { corpus: "A", step: "first-warm", figure: "cpu", restic: 0.6, borg: 0.6 },
  { corpus: "B", step: "first-cold", figure: "cpu", restic: 0.4, borg: 0.75 },
  { corpus: "B", step: "first-warm", figure: "cpu", restic: 0.4, borg: 0.75 },
  { corpus: "C", step: "first-cold", figure: "cpu", restic: 0.25, borg: 0.45 },
  { corpus: "C", step: "first-warm", figure: "cpu", restic: 0.25, borg: 0.45 },
  { corpus: "A", step: "same", figure: "wall", restic: 0.6, borg: 0.4 },
  { corpus: "A", step: "change", figure: "wall", restic: 0.6, borg: 0.4 },
  { corpus: "A", step: "change", figure: "added", restic: 0.6, borg: 0.4 },
  { corpus: "B", step: "change", figure: "wall", restic: 0.3, borg: 0.3 },
  { corpus: "B", step: "change", figure: "added", restic: 0.3, borg: 0.3 },
  { corpus: "A", step: "restore", figure: "wall", restic: 0.8, borg: 0.6 },
  { corpus: "B", step: "restore", figure: "wall", restic: 0.8, borg: 0.6 },
  { corpus: "C", step: "restore", figure: "wall", restic: 0.8, borg: 0.6 },
  { corpus: "A", step: "verify", figure: "wall", restic: 0.75, borg: 0.45 },
  { corpus: "B", step: "verify", figure: "wall", restic: 0.75, borg: 0.45 },
  { corpus: "C", step: "verify", figure: "wall", restic: 0.75, borg: 0.45 },
  { corpus: "A", step: "first-cold", figure: "stored", restic: 0.82, borg: 0.82 },
];

/** Peak memory of every step on every corpus. */
export const peakRssAimBytes = 400_000_000;
/** CPU time of the first backup with AES-CBC against AES-GCM. */
export const cbcCpuAim = 1.35;
