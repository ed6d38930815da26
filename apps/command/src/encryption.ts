/**
 * How a repository is encrypted, for people and programs.
 *
 * @module
 */
import type { Suite } from "@holdfast/crypto";

export interface Encryption {
  readonly method: "gcm" | "cbc";
  readonly level: "low" | "normal" | "high";
}

/** Null: not encrypted. */
export function encryptionOf(suite: Suite): Encryption | null {
  const { method, level } = suite;
  return method === null || level === null ? null : { method, level };
}

const BITS = { low: 128, normal: 192, high: 256 } as const;

export function encryptionText(encryption: Encryption | null): string {
  if (encryption === null) return "none";
  return `AES-${encryption.method.toUpperCase()} ${encryption.level} (${String(BITS[encryption.level])} bits)`;
}
