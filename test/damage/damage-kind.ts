import type { ErrorCode } from "@holdfast/kernel";
import type { RecordLayout } from "./copy-model.ts";
import type { RepositoryInHand } from "./repository-in-hand.ts";

/** What must come of a damage. */
export interface Expected {
  /** Objects that `verify --read-data` names, as a sorted list of names. */
  readonly objects: readonly string[];
  /** Those that `verify` without it names, where that is not the same. */
  readonly withoutData?: readonly string[];
  /** Those that a verification without any key names; left out where that is not of interest. */
  readonly withoutKeys?: readonly string[];
  /** Records that nobody can read any more, by pack and offset as they were. */
  readonly lost?: (record: Pick<RecordLayout, "pack" | "offset" | "length">) => boolean;
  /** Of a record that is lost, only the chunks with these ids are; others in it stay good. */
  readonly lostIds?: readonly string[];
  /** Copies whose manifest cannot be read. */
  readonly lostCopies?: readonly string[];
}

/** The repository cannot be opened, or not with every key. */
export interface Refusal {
  readonly refused: ErrorCode;
  /** Tried with this key instead of the recovery kit; undefined for none. */
  readonly key?: "passphrase" | "none";
  /** Objects that a verification without keys names. */
  readonly objects: readonly string[];
}

export interface DamageKind {
  /** One line that says what was done. */
  readonly name: string;
  readonly apply: (r: RepositoryInHand) => Expected | Refusal;
  /** A repository that is not encrypted has no slots, and everybody has its keys. */
  readonly encryptedOnly?: boolean;
  /** What the suite of the records has a part in is tried with each; everything else with one, in turn. */
  readonly everySuite?: boolean;
}
