import { createCipheriv } from "node:crypto";

/** Bytes that neither repeat nor compress, the same for the same length. */
export function patternedBytes(length: number): Buffer {
  const key = Buffer.alloc(16, length % 251);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
