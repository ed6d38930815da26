/**
 * The text form of an enrolment code (docs/protocol.md, section 2): secret (16 bytes), pin of the authority (16 bytes) and
 * check (3 bytes) in Crockford's base 32. 35 bytes are exactly 56 characters.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { AppError } from "@holdfast/kernel";

export const ENROLMENT_SECRET_BYTES = 16;
export const AUTHORITY_PIN_BYTES = 16;
const CHECK_BYTES = 3;
const CODE_BYTES = ENROLMENT_SECRET_BYTES + AUTHORITY_PIN_BYTES + CHECK_BYTES;
const CODE_CHARACTERS = (CODE_BYTES * 8) / 5;
const GROUP_CHARACTERS = 7;
/** Longer texts are refused before they are looked at. */
const TEXT_LENGTH_MAX = 200;

/** Crockford's alphabet and that of JavaScript's numbers, digit by digit. */
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RADIX_32 = "0123456789abcdefghijklmnopqrstuv";
/** What people mistake, as the digit it stands for. */
const LOOKALIKES: ReadonlyMap<string, string> = new Map([
  ["O", "0"],
  ["I", "1"],
  ["L", "1"],
]);

export interface EnrolmentCode {
  /** 16 random bytes, known to the service by their hash only. */
  readonly secret: Buffer;
  /** First 16 bytes of SHA-256 of the authority's SubjectPublicKeyInfo. */
  readonly pin: Buffer;
}

/** The pin of an authority. @param subjectPublicKeyInfo DER. */
export function authorityPin(subjectPublicKeyInfo: Uint8Array): Buffer {
  return createHash("sha256").update(subjectPublicKeyInfo).digest().subarray(0, AUTHORITY_PIN_BYTES);
}

/** Eight groups of seven characters. */
export function formatEnrolmentCode(code: EnrolmentCode): string {
  assert(code.secret.length === ENROLMENT_SECRET_BYTES && code.pin.length === AUTHORITY_PIN_BYTES);
  const body = Buffer.concat([code.secret, code.pin]);
  const digits = BigInt(`0x${Buffer.concat([body, checkOf(body)]).toString("hex")}`)
    .toString(32)
    .padStart(CODE_CHARACTERS, "0");
  const text = Array.from(digits, (digit) => CROCKFORD.charAt(RADIX_32.indexOf(digit))).join("");
  return text.replaceAll(new RegExp(`.{${String(GROUP_CHARACTERS)}}(?!$)`, "gu"), "$&-");
}

/**
 * Reads a code as people type it: small letters, O for 0, I and L for 1, any spaces and hyphens.
 *
 * @throws AppError `ERR_ENROLMENT_CODE` when it is too short or long, or mistyped. The text is in no message.
 */
export function parseEnrolmentCode(text: string): EnrolmentCode {
  if (text.length > TEXT_LENGTH_MAX) return mistyped();
  let digits = "";
  for (const character of text.toUpperCase()) {
    if (/[\s-]/u.test(character)) continue;
    const value = CROCKFORD.indexOf(LOOKALIKES.get(character) ?? character);
    if (value < 0) return mistyped();
    digits += value.toString(32);
  }
  if (digits.length !== CODE_CHARACTERS) return mistyped();
  let number = 0n;
  for (const digit of digits) number = number * 32n + BigInt(RADIX_32.indexOf(digit));
  const bytes = Buffer.from(number.toString(16).padStart(CODE_BYTES * 2, "0"), "hex");
  const body = bytes.subarray(0, ENROLMENT_SECRET_BYTES + AUTHORITY_PIN_BYTES);
  if (!checkOf(body).equals(bytes.subarray(body.length))) return mistyped();
  return {
    secret: Buffer.from(body.subarray(0, ENROLMENT_SECRET_BYTES)),
    pin: Buffer.from(body.subarray(ENROLMENT_SECRET_BYTES)),
  };
}

function checkOf(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest().subarray(0, CHECK_BYTES);
}

function mistyped(): never {
  throw new AppError("ERR_ENROLMENT_CODE", "This is no enrolment code: it is incomplete or mistyped.", {
    remedy: "Copy all eight groups of the code as the service showed them, or ask for a new one.",
  });
}
