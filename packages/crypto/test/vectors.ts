// Files of known answers.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

interface FrameVector {
  readonly suite: string;
  readonly counter: string;
  readonly frame: number;
  readonly aad: string;
  readonly plaintext: string;
  readonly sealed: string;
}

interface BoxVector {
  readonly key: string;
  readonly salt: string;
  readonly context: string;
  readonly plaintext: string;
  readonly sealed: string;
}

interface FormatVectors {
  readonly sessionKey: string;
  readonly repository: string;
  readonly frames: readonly FrameVector[];
  readonly boxes: readonly BoxVector[];
  readonly recoveryKeys: readonly { readonly seed: string; readonly text: string }[];
}

interface XWingVector {
  readonly seed: string;
  readonly pk: string;
  readonly ct: string;
  readonly ss: string;
}

/** A Wycheproof file: fields of a group and of a test, both as they stand there. */
interface WycheproofFile {
  readonly testGroups: readonly WycheproofGroup[];
}

interface WycheproofGroup {
  readonly ivSize?: number;
  readonly keySize?: number;
  readonly tagSize?: number;
  readonly tests: readonly WycheproofTest[];
}

export interface WycheproofTest {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly flags: readonly string[];
  readonly [field: string]: unknown;
}

export interface WycheproofCase {
  readonly group: WycheproofGroup;
  readonly case: WycheproofTest;
}

const own = path.join(import.meta.dirname, "vectors");

const ownText = (name: string): string => readFileSync(path.join(own, name), "utf8");

export function formatVectors(): FormatVectors {
  const vectors: FormatVectors = JSON.parse(ownText("format.json"));
  return vectors;
}

export function xWingVectors(): readonly XWingVector[] {
  const vectors: readonly XWingVector[] = JSON.parse(ownText("x-wing.json"));
  return vectors;
}

const shared =
  process.env["HOLDFAST_VECTORS"] ?? path.resolve(import.meta.dirname, "../../../../shared/vectors");

/** Every test of a Wycheproof file, or why there is none. */
export function wycheproof(name: string): readonly WycheproofCase[] | string {
  const file = path.join(shared, "wycheproof", name);
  if (!existsSync(file)) return `no vectors: ${name} is not in HOLDFAST_VECTORS or shared/vectors`;
  const { testGroups }: WycheproofFile = JSON.parse(readFileSync(file, "utf8"));
  return testGroups.flatMap((group) => group.tests.map((item) => ({ group, case: item })));
}
