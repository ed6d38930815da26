/** Reproducible bytes and numbers: the same label always gives the same stream, on every machine. */
import { createCipheriv, createHash } from "node:crypto";

/** A stream of incompressible bytes: AES-256-CTR over zeros, keyed by the label. */
export function noiseStream(label: string): (length: number) => Buffer {
  const key = createHash("sha256").update(label).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}

/** Whole numbers in [0, limit), uniform enough for choosing places (limit up to 2^48). */
export function numberStream(label: string): (limit: number) => number {
  const bytes = noiseStream(label);
  return (limit) => Math.floor((bytes(6).readUIntBE(0, 6) / 2 ** 48) * limit);
}
