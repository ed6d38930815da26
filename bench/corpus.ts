/** What a corpus is, apart from how it is made. */
import type { TreeSummary } from "./tree.ts";

export const corpusNames = ["A", "B", "C"] as const;
export type CorpusName = (typeof corpusNames)[number];

export interface Manifest extends TreeSummary {
  readonly corpus: CorpusName;
  readonly scale: "full" | "small";
  readonly madeFrom: readonly string[];
}

export interface Corpus {
  readonly name: CorpusName;
  /** The folder to back up. */
  readonly directory: string;
  /** What `change.ts` needs to go back to the original. */
  readonly changeDirectory: string;
  readonly manifest: Manifest;
}
