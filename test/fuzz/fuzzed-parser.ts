/**
 * A parser of stored bytes under fuzzing, and what it must keep to whatever the bytes are.
 *
 * Each round draws from `HOLDFAST_FUZZ_SEED`, the parser's name and the round's number, so that a failure is repeated by
 * the seed that it names. `HOLDFAST_FUZZ` is the number of rounds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { getHeapStatistics } from "node:v8";
import { AppError, type ErrorCode } from "@holdfast/kernel";
import { SeededRandom } from "../seeded-random.ts";
import { mutate } from "./mutate.ts";

export interface FuzzedParser {
  readonly name: string;
  /** What a writer would write. At least one; two can be spliced. */
  readonly samples: readonly Buffer[];
  /** Parses all of it. What is undefined was refused without an error. */
  readonly decode: (bytes: Buffer) => unknown;
  /** Codes of errors besides `ERR_DAMAGED` that the parser is documented to throw. */
  readonly codes?: readonly ErrorCode[];
  /** Authenticated as a whole: whatever is accepted means the same as one of the samples. */
  readonly isAuthentic?: boolean;
  /** Writes a result: there is only one way to write a structure, so what was accepted must come out again. */
  encode?(result: unknown): Buffer;
  /** For parsers that take long: so many rounds fewer. */
  readonly divisor?: number;
}

const ROUNDS_DEFAULT = process.env["SLOW"] === "1" ? 20_000 : 1000;
const ROUNDS = Number(process.env["HOLDFAST_FUZZ"] ?? ROUNDS_DEFAULT);
const SEED = process.env["HOLDFAST_FUZZ_SEED"] ?? "1";

/** Samples have some kilobytes: whoever takes more than this believed a length. */
const ALLOCATION_BYTES_MAX = 64 * 1024 * 1024;
/** On a busy machine; a parser needs some microseconds, the slowest some milliseconds. */
const MILLISECONDS_MAX = 2000;

/** Feeds the parser; throws an assertion that names seed and round when it misbehaves. */
export function fuzz(parser: FuzzedParser): void {
  assert(parser.samples.length > 0 && Number.isInteger(ROUNDS) && ROUNDS > 0);
  const genuine = parser.samples.map((sample) => {
    const result = parser.decode(Buffer.from(sample));
    assert(result !== undefined, "a sample is refused");
    if (parser.encode !== undefined) assert.deepEqual(parser.encode(result), sample);
    return result;
  });
  const rounds = Math.max(1, Math.floor(ROUNDS / (parser.divisor ?? 1)));
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    const bytes = mutate(parser.samples, new SeededRandom(`${SEED}/${parser.name}/${String(round)}`));
    const context = `HOLDFAST_FUZZ_SEED=${SEED}, round ${String(round)}, ${describe(bytes)}`;
    const { result, error } = observe(parser, bytes, context);
    if (error !== undefined) checkError(parser, error, context);
    if (result === undefined) refused += 1;
    else checkAccepted(parser, genuine, result, bytes, context);
  }
  assert(refused > 0 || rounds < 100, "nothing was refused: the parser checks nothing");
}

function checkAccepted(
  parser: FuzzedParser,
  genuine: readonly unknown[],
  result: unknown,
  bytes: Buffer,
  context: string,
): void {
  if (parser.isAuthentic === true) {
    const isGenuine = genuine.some((known) => isDeepStrictEqual(known, result));
    assert(isGenuine, `accepted what nobody sealed: ${context}`);
  }
  if (parser.encode !== undefined) {
    assert(parser.encode(result).equals(bytes), `accepted more than it understood: ${context}`);
  }
}

interface Observation {
  readonly result?: unknown;
  readonly error?: unknown;
}

function observe(parser: FuzzedParser, bytes: Buffer, context: string): Observation {
  // A copy: a parser that writes into its input must not change what is repeated or reported.
  const attempt = (): Observation & { readonly allocated: number; readonly milliseconds: number } => {
    const input = Buffer.from(bytes);
    const before = getHeapStatistics();
    const start = performance.now();
    const outcome = outcomeOf(parser, input);
    const milliseconds = performance.now() - start;
    const after = getHeapStatistics();
    const heap = after.total_allocated_bytes - before.total_allocated_bytes;
    const external = after.external_memory - before.external_memory;
    return { ...outcome, milliseconds, allocated: heap + Math.max(0, external) };
  };
  const first = attempt();
  // Somebody else may have had the processor: what is slow must be so again.
  const milliseconds =
    first.milliseconds > MILLISECONDS_MAX
      ? Math.min(first.milliseconds, attempt().milliseconds)
      : first.milliseconds;
  assert(milliseconds <= MILLISECONDS_MAX, `took ${String(Math.round(milliseconds))} ms: ${context}`);
  assert(first.allocated <= ALLOCATION_BYTES_MAX, `took ${String(first.allocated)} bytes: ${context}`);
  return first;
}

function outcomeOf(parser: FuzzedParser, input: Buffer): Observation {
  try {
    return { result: parser.decode(input) };
  } catch (error) {
    return { error };
  }
}

function checkError(parser: FuzzedParser, error: unknown, context: string): void {
  const allowed: readonly string[] = ["ERR_DAMAGED", ...(parser.codes ?? [])];
  if (error instanceof AppError && allowed.includes(error.code)) return;
  const what = error instanceof AppError ? error.code : String(error);
  assert.fail(
    `${what}: ${context}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}

const SHOWN_BYTES_MAX = 512;

function describe(bytes: Buffer): string {
  const shown = bytes.subarray(0, SHOWN_BYTES_MAX).toString("hex");
  return `${String(bytes.length)} bytes: ${shown}${bytes.length > SHOWN_BYTES_MAX ? "..." : ""}`;
}
