// Tokens that the database has only a hash of: 256 random bits need no slow one.
import { sha256 } from "@holdfast/crypto";
import type { Randomness } from "@holdfast/kernel";

const TOKEN_BYTES = 32;

export function newToken(randomness: Randomness): string {
  return Buffer.from(randomness(new Uint8Array(TOKEN_BYTES))).toString("base64url");
}

/** Hex. */
export function tokenHash(token: string): string {
  return sha256(Buffer.from(token, "utf8")).toString("hex");
}
