/**
 * A repository that was written once, and what a reader must find in it for ever.
 *
 * @module
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { parseRecoveryKey } from "@holdfast/crypto";
import type { SlotKey } from "@holdfast/repository";
import type { ListedEntry } from "../reader/main.ts";

/** The fields of a copy that the second reader gives, and its entries. */
export interface ExpectedCopy {
  readonly id: string;
  readonly timeMs: number;
  readonly entries: readonly ListedEntry[];
  readonly [field: string]: unknown;
}

export interface KnownAnswer {
  /** Of the repository; never written to. */
  readonly folder: string;
  readonly suite: string;
  readonly expected: readonly ExpectedCopy[];
  /** Both undefined when it is not encrypted. */
  readonly passphrase: Buffer | undefined;
  readonly seed: Buffer | undefined;
}

const TARGET_SHOWN_MAX = 200;

/** Long targets of links by their hash: what a person may want to read stays short. */
export function shortened(entry: ListedEntry): ListedEntry {
  const { target } = entry;
  if (target === undefined || target.length <= TARGET_SHOWN_MAX) return entry;
  return { ...entry, target: `sha256:${createHash("sha256").update(target).digest("hex")}` };
}

export function readKnownAnswers(): readonly KnownAnswer[] {
  return fs
    .readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name: suite }) => readKnownAnswer(suite));
}

function readKnownAnswer(suite: string): KnownAnswer {
  const folder = join(import.meta.dirname, suite);
  const text = (name: string): string | undefined => {
    const path = join(folder, name);
    return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : undefined;
  };
  const expected: readonly ExpectedCopy[] = JSON.parse(text("expected.json") ?? "[]");
  const passphrase = text("key.txt")?.replace(/\n$/u, "");
  const recovery = text("recovery.txt");
  return {
    folder: join(folder, "repository"),
    suite,
    expected,
    passphrase: passphrase === undefined ? undefined : Buffer.from(passphrase),
    seed: recovery === undefined ? undefined : parseRecoveryKey(recovery),
  };
}

/** Every way to open it, by name. */
export function keysOf({ passphrase, seed }: KnownAnswer): ReadonlyMap<string, SlotKey | undefined> {
  if (passphrase === undefined || seed === undefined) return new Map([["no key", undefined]]);
  return new Map<string, SlotKey>([
    ["the passphrase", { kind: "passphrase", passphrase }],
    ["the recovery kit", { kind: "recovery", seed }],
  ]);
}
