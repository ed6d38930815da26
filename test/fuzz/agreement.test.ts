/**
 * The engine and the second reader, which was written from docs/format.md alone, must take and refuse the same bytes.
 * Where the engine is stricter on purpose, its message is listed here, so that nothing else can hide.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { FormatError } from "../reader/object.ts";
import { SeededRandom } from "../seeded-random.ts";
import { mutate } from "./mutate.ts";
import { secondReaders, treeParsers } from "./trees.ts";

const SEED = process.env["HOLDFAST_FUZZ_SEED"] ?? "1";
const ROUNDS = Number(process.env["HOLDFAST_FUZZ"] ?? (process.env["SLOW"] === "1" ? 50_000 : 3000));

/** Where the second reader looks later, while it walks through a copy, or not at all, since the format sets no bound. */
const ENGINE_ALONE = [
  "entries are not in order",
  "children are not in order",
  "a size does not fit its content",
  "a child is empty",
  "a list has a child without content",
  "a symbolic link has an impossible target",
  "an attribute has an impossible name",
  "a number exceeds 4294967295",
  "a segment is longer than a chunk can be",
  "a node has an impossible level",
  "a list is too deep",
];

function refusal(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED") || error instanceof FormatError) return error.message;
    throw error;
  }
}

suite("engine and second reader agree", () => {
  for (const [name, readAgain] of Object.entries(secondReaders)) {
    test(`on every ${name}`, () => {
      const parser = treeParsers.find((one) => one.name === name);
      assert(parser !== undefined);
      let refused = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const bytes = mutate(parser.samples, new SeededRandom(`${SEED}/${name}/${String(round)}`));
        const engine = refusal(() => parser.decode(Buffer.from(bytes)));
        const second = refusal(() => readAgain(Buffer.from(bytes)));
        if (engine !== undefined && second !== undefined) refused += 1;
        const isStricter =
          second === undefined && ENGINE_ALONE.some((reason) => engine?.includes(reason) === true);
        assert(
          (engine === undefined) === (second === undefined) || isStricter,
          `HOLDFAST_FUZZ_SEED=${SEED}, round ${String(round)}: ${String(engine)}, but ${String(second)}: ${bytes.toString("hex")}`,
        );
      }
      assert(refused > ROUNDS / 10);
    });
  }
});
