/**
 * Keys as text for paper and people.
 *
 * A recovery key is the line `HOLDFAST RECOVERY KEY 1` and three lines of four groups of five characters and a check
 * group of four. The 60 characters before the check groups are 300 bits in Crockford's base 32: the seed (256 bits),
 * then the first 44 bits of SHA-256 of `holdfast/1/recovery-key` and the seed. A check group is the first 20 bits of
 * SHA-256 of `holdfast/1/recovery-key-line`, the line's number as one byte (from 1) and its 20 characters in ASCII:
 * a typing error is found in its line, a line in the wrong place too.
 *
 * @module
 */
import assert from "node:assert/strict";
import { timingSafeEqual } from "node:crypto";
import { AppError, type Randomness, systemRandomness } from "@holdfast/kernel";
import { base32Character, canonicalBase32, decodeBase32, encodeBase32 } from "./base32.ts";
import { sha256 } from "./mac.ts";

const TITLE = "HOLDFAST RECOVERY KEY";
const TITLE_PATTERN = /^\s*HOLDFAST\s+RECOVERY\s+KEY\s+([0-9]+)\s*$/i;
const VERSION = "1";
const SEED_BYTES = 32;
const LINES = 3;
const GROUP_CHARACTERS = 5;
const LINE_CHARACTERS = 20;
const CHECK_CHARACTERS = 4;
const LINE_CHARACTERS_FULL = LINE_CHARACTERS + CHECK_CHARACTERS;

const PASSPHRASE_GROUPS = [5, 5, 5, 5, 6];

/** The text of a private seed (32 bytes). It is as secret as the seed. */
export function formatRecoveryKey(seed: Uint8Array): string {
  assert(seed.length === SEED_BYTES);
  const text = encodeBase32(withCheck(seed)).slice(0, LINES * LINE_CHARACTERS);
  const lines = [`${TITLE} ${VERSION}`];
  for (let line = 1; line <= LINES; line += 1) {
    const content = text.slice((line - 1) * LINE_CHARACTERS, line * LINE_CHARACTERS);
    lines.push(`${grouped(content)} ${lineCheck(line, content)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** True when the text begins like a recovery key, of whatever version. */
export function isRecoveryKeyText(text: string): boolean {
  return TITLE_PATTERN.test(firstLine(text));
}

/**
 * The seed of a recovery key text. Case, spaces, hyphens, empty lines, the place of line breaks, O for 0 and I or L
 * for 1 do not matter.
 *
 * @throws AppError `ERR_KEY_FORMAT` naming the line, without its content.
 */
export function parseRecoveryKey(text: string): Buffer {
  const version = TITLE_PATTERN.exec(firstLine(text))?.[1];
  if (version === undefined) throw malformed(`The recovery key does not begin with "${TITLE} ${VERSION}".`);
  if (version !== VERSION) throw malformed("The recovery key is of a version that is not known here.");
  const content = splitLines(text)
    .map((line, index) => checkLine(line, index + 1))
    .join("");
  const decoded = decodeBase32(content);
  const seed = Buffer.from(decoded.subarray(0, SEED_BYTES));
  const expected = encodeBase32(withCheck(seed)).slice(0, content.length);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(content))) {
    throw malformed("The recovery key is wrong although each line seems right.");
  }
  decoded.fill(0);
  return seed;
}

/** A new passphrase of 26 characters in groups: 130 random bits. */
export function generatePassphrase(randomness: Randomness = systemRandomness): string {
  const count = PASSPHRASE_GROUPS.reduce((sum, length) => sum + length, 0);
  const random = randomness(Buffer.alloc(count));
  const characters = Array.from(random, base32Character);
  random.fill(0);
  return PASSPHRASE_GROUPS.map((length) => characters.splice(0, length).join(""))
    .join("-")
    .toLowerCase();
}

function withCheck(seed: Uint8Array): Buffer {
  const check = sha256(Buffer.concat([Buffer.from("holdfast/1/recovery-key", "ascii"), seed]));
  return Buffer.concat([seed, check.subarray(0, 6)]);
}

function lineCheck(line: number, content: string): string {
  const label = Buffer.from("holdfast/1/recovery-key-line", "ascii");
  const hash = sha256(Buffer.concat([label, Uint8Array.of(line), Buffer.from(content, "ascii")]));
  return encodeBase32(hash).slice(0, CHECK_CHARACTERS);
}

function grouped(content: string): string {
  const groups: string[] = [];
  for (let at = 0; at < content.length; at += GROUP_CHARACTERS) {
    groups.push(content.slice(at, at + GROUP_CHARACTERS));
  }
  return groups.join(" ");
}

function firstLine(text: string): string {
  return text.trimStart().split(/\r?\n/, 1)[0] ?? "";
}

/** The three lines after the title without separators, wherever the line breaks are. */
function splitLines(text: string): readonly string[] {
  const lines = text
    .trimStart()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.replaceAll(/[\s\-–]/g, ""))
    .filter((line) => line !== "");
  if (lines.length === LINES) return lines;
  const joined = lines.join("");
  if (joined.length !== LINES * LINE_CHARACTERS_FULL) {
    const found = `${String(lines.length)} lines with ${String(joined.length)} characters`;
    throw malformed(
      `The recovery key has ${found} after its title; 3 lines with 24 characters each were expected.`,
    );
  }
  return Array.from({ length: LINES }, (_, index) =>
    joined.slice(index * LINE_CHARACTERS_FULL, (index + 1) * LINE_CHARACTERS_FULL),
  );
}

function checkLine(text: string, line: number): string {
  const canonical = canonicalBase32(text);
  const where = `Line ${String(line)} of the recovery key`;
  if (canonical === null) throw malformed(`${where} has a character that recovery keys do not use.`, line);
  if (canonical.length !== LINE_CHARACTERS_FULL) {
    const counts = `${String(canonical.length)} characters instead of ${String(LINE_CHARACTERS_FULL)}`;
    throw malformed(`${where} has ${counts}.`, line);
  }
  const content = canonical.slice(0, LINE_CHARACTERS);
  if (lineCheck(line, content) !== canonical.slice(LINE_CHARACTERS)) {
    throw malformed(`${where} has a typing error.`, line);
  }
  return content;
}

function malformed(message: string, line?: number): AppError {
  return new AppError("ERR_KEY_FORMAT", message, {
    remedy: "Compare it with the recovery kit, group by group.",
    ...(line === undefined ? {} : { subject: `line ${String(line)}` }),
  });
}
