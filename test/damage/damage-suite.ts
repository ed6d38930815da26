import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite as group, test } from "node:test";
import { type Suite, SUITE_NONE, SUITES } from "@holdfast/crypto";
import { shareCompiledCode } from "../compile-cache.ts";
import { checkDamage, type Steps } from "./check-damage.ts";
import type { DamageKind } from "./damage-kind.ts";
import { condemnedKinds } from "./kinds-condemned.ts";
import { forgedKinds } from "./kinds-forged.ts";
import { indexKinds } from "./kinds-index.ts";
import { liesKinds } from "./kinds-lies.ts";
import { packKinds } from "./kinds-packs.ts";
import { smallKinds } from "./kinds-small.ts";
import { sampleOf } from "./sample.ts";

export const KINDS: readonly DamageKind[] = [
  ...smallKinds,
  ...condemnedKinds,
  ...packKinds,
  ...indexKinds,
  ...forgedKinds,
  ...liesKinds,
];
const ALL = process.env["SLOW"] === "1";
const SUITES_COUNT = SUITES.length;

/**
 * Damage to repositories with these suites. Each kind that has to do with records is verified with every suite, the others with
 * one each; restores and verifications without data take turns. With `SLOW=1` everything is done with every suite.
 */
export function testDamage(suites: readonly Suite[]): void {
  shareCompiledCode();
  for (const suite of suites) {
    group(`damage, ${suite.name}`, () => {
      for (const [index, kind] of KINDS.entries()) {
        if (!isTried(kind, index, suite)) continue;
        test(kind.name, async () => {
          const sample = await sampleOf(suite);
          const scratch = join(sample.scratch, String(index));
          mkdirSync(scratch);
          await checkDamage(sample, kind, join(scratch, "repository"), stepsOf(kind, index + suite.code));
          rmSync(scratch, { recursive: true });
        });
      }
    });
  }
}

function isTried(kind: DamageKind, index: number, suite: Suite): boolean {
  if (kind.encryptedOnly === true && suite === SUITE_NONE) return false;
  if (ALL || kind.everySuite === true) return true;
  const turn = index % SUITES_COUNT;
  return suite.code === (turn === SUITE_NONE.code && kind.encryptedOnly === true ? SUITES_COUNT - 1 : turn);
}

function stepsOf({ everySuite }: DamageKind, turn: number): Steps {
  const isOften = everySuite === true;
  return {
    withData: true,
    withoutData: ALL || (isOften ? turn % 4 === 0 : turn % 2 === 0),
    restore: ALL || (isOften ? turn % 4 === 1 : turn % 2 === 1),
    both: ALL || turn % 3 === 0,
  };
}
