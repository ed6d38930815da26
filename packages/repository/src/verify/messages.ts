/**
 * What the main thread of a verification and its workers tell each other.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import type { KeySet } from "../keys/key-set.ts";
import type { DirectorySumValues } from "./directory-sum.ts";

/** How deep packs are looked into. */
export type VerifyLevel = "checksums" | "directories" | "data";

export interface VerifySetup {
  readonly kind: "setup";
  readonly level: VerifyLevel;
  /** Of objects; undefined when the config cannot be read. */
  readonly repository: Uint8Array | undefined;
  /** Undefined at the level `checksums`. */
  readonly keys: KeySet | undefined;
  readonly slots: readonly WebAssembly.Memory[];
}

/** An object that lies in a slot. */
export interface CheckTask {
  readonly kind: "check";
  readonly name: string;
  readonly object: "pack" | "index";
  readonly slot: number;
  readonly length: number;
}

export type VerifyMessage = VerifySetup | CheckTask | { readonly kind: "close" };

export interface CheckDone {
  readonly kind: "done";
  readonly problems: readonly string[];
  /** Of a pack's directory. */
  readonly sum: DirectorySumValues | undefined;
}

export interface CheckFailed {
  readonly kind: "failed";
  readonly error: ErrorRecord;
}

export type VerifyReply = CheckDone | CheckFailed;
