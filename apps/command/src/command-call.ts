/**
 * What a command is given when it runs.
 *
 * @module
 */
import type { Configuration } from "./configuration.ts";
import type { GivenOptions } from "./given-options.ts";
import type { Output } from "./output/output.ts";

/** Exit codes of commands that came to an end; those of errors are in the registry of error codes. */
export const EXIT = { done: 0, warnings: 3, damaged: 5 } as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

export interface CommandCall {
  readonly operands: readonly string[];
  readonly options: GivenOptions;
  readonly output: Output;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly configuration: Configuration;
  /** What HOLDFAST_KEY held; wiped when the command ends. */
  readonly environmentKey: Buffer | undefined;
}

export interface CommandModule {
  readonly run: (call: CommandCall) => Promise<Exit>;
}

/** The operand at `index`, which the parser has made sure of. */
export function operand(call: CommandCall, index: number): string {
  const value = call.operands[index];
  if (value === undefined) throw new Error(`operand ${String(index)} is missing`);
  return value;
}
