/**
 * The cipher suites a repository can use for its records, and their codes in the format.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

/** How a frame is encrypted: AES-GCM, or AES-CBC with HMAC-SHA-256 over the ciphertext. */
export type Method = "gcm" | "cbc";

/** Length of the AES key that encrypts records: 128, 192 or 256 bits. */
export type Level = "low" | "normal" | "high";

export interface Suite {
  /** The byte in record headers. */
  readonly code: number;
  /** Enters the key derivation: never change one. */
  readonly name: string;
  /** Null: records are authenticated, not encrypted. */
  readonly method: Method | null;
  readonly level: Level | null;
  /** Length of the AES key in bits, 0 without encryption. */
  readonly keyBits: 0 | 128 | 192 | 256;
}

/** Records are authenticated, not encrypted. */
export const SUITE_NONE: Suite = { code: 0, name: "none", method: null, level: null, keyBits: 0 };

const SUITES_GCM: Readonly<Record<Level, Suite>> = {
  low: { code: 1, name: "aes-128-gcm", method: "gcm", level: "low", keyBits: 128 },
  normal: { code: 2, name: "aes-192-gcm", method: "gcm", level: "normal", keyBits: 192 },
  high: { code: 3, name: "aes-256-gcm", method: "gcm", level: "high", keyBits: 256 },
};

const SUITES_CBC: Readonly<Record<Level, Suite>> = {
  low: { code: 4, name: "aes-128-cbc-hmac-sha-256", method: "cbc", level: "low", keyBits: 128 },
  normal: { code: 5, name: "aes-192-cbc-hmac-sha-256", method: "cbc", level: "normal", keyBits: 192 },
  high: { code: 6, name: "aes-256-cbc-hmac-sha-256", method: "cbc", level: "high", keyBits: 256 },
};

/** Every suite; the position of each is its code. */
export const SUITES: readonly Suite[] = [
  SUITE_NONE,
  ...Object.values(SUITES_GCM),
  ...Object.values(SUITES_CBC),
];

/**
 * The suite of a code read from a repository.
 *
 * @throws AppError `ERR_FORMAT_VERSION` when this version knows no such suite.
 */
export function suiteByCode(code: number): Suite {
  const suite = SUITES[code];
  if (suite === undefined) {
    throw new AppError("ERR_FORMAT_VERSION", `The cipher suite ${String(code)} is not known.`, {
      remedy: "Use a newer version; when this is the newest, run `holdfast verify`.",
    });
  }
  return suite;
}

export function suiteFor(method: Method, level: Level): Suite {
  return method === "gcm" ? SUITES_GCM[level] : SUITES_CBC[level];
}
