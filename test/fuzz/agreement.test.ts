/** The engine and the second reader, which was written from docs/format.md alone, take and refuse the same bytes. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { FormatError } from "../reader/decode.ts";
import { SeededRandom } from "../seeded-random.ts";
import { mutate } from "./mutate.ts";
import { secondReaders, treeParsers } from "./trees.ts";

const SEED = process.env["HOLDFAST_FUZZ_SEED"] ?? "1";
const ROUNDS = Number(process.env["HOLDFAST_FUZZ"] ?? (process.env["SLOW"] === "1" ? 50_000 : 3000));

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
        assert(
          (engine === undefined) === (second === undefined),
          `HOLDFAST_FUZZ_SEED=${SEED}, round ${String(round)}: ${String(engine)}, but ${String(second)}: ${bytes.toString("hex")}`,
        );
      }
      assert(refused > ROUNDS / 10);
    });
  }
});
