/**
 * One-time codes by time (TOTP, RFC 6238) on HOTP (RFC 4226): HMAC-SHA-1, six digits, 30 seconds, which is what all
 * authenticator apps understand. HMAC does not need that SHA-1 resists collisions.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";

/** RFC 4226, section 4, R6: as long as the hash. */
export const TOTP_SECRET_BYTES = 20;
export const TOTP_PERIOD_SECONDS = 30;
const DIGITS = 6;
/** Steps before and after the present one that are taken: clocks differ, and people are slow (RFC 6238, section 5.2). */
const DRIFT_STEPS = 1;

/** The code of a step. @param digits more only in the test vectors of RFC 6238. */
export function totpCode(secret: Uint8Array, step: number, digits = DIGITS): string {
  assert(Number.isSafeInteger(step) && step >= 0);
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac("sha1", secret).update(counter).digest();
  // RFC 4226, section 5.3: dynamic truncation.
  const offset = hash.readUInt8(hash.length - 1) & 0xf;
  const number = hash.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/**
 * The step whose code this is, near the present and after `lastStep`; undefined for a wrong code. All steps are always
 * compared.
 */
export function totpStepOf(
  secret: Uint8Array,
  code: string,
  nowMs: number,
  lastStep: number,
): number | undefined {
  const now = Math.floor(nowMs / 1000 / TOTP_PERIOD_SECONDS);
  const given = Buffer.from(code, "utf8");
  let found: number | undefined;
  for (let step = now - DRIFT_STEPS; step <= now + DRIFT_STEPS; step += 1) {
    const expected = Buffer.from(totpCode(secret, step), "utf8");
    if (given.length === expected.length && timingSafeEqual(given, expected) && step > lastStep) found = step;
  }
  return found;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Base 32 of RFC 4648, section 6, without padding: as apps want the secret typed. */
export function encodeTotpSecret(secret: Uint8Array): string {
  assert(secret.length % 5 === 0);
  let text = "";
  for (let at = 0; at < secret.length; at += 5) {
    let bits = 0n;
    for (const byte of secret.subarray(at, at + 5)) bits = (bits << 8n) | BigInt(byte);
    for (let shift = 35n; shift >= 0n; shift -= 5n) text += ALPHABET.charAt(Number((bits >> shift) & 31n));
  }
  return text;
}
