import { createCipheriv, createHash } from "node:crypto";
import { GEAR_TABLE_BYTES, gearTable } from "../src/chunking/index.ts";

/** `length` bytes of AES-CTR noise, the same for the same seed. */
export function noise(seed: string, length: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export function tableOf(seed: string): Uint32Array {
  return gearTable(noise(`table ${seed}`, GEAR_TABLE_BYTES));
}

const WORDS =
  "const return function export import string number chunk offset index value = => { } ( ) ; //".split(" ");

/** `length` bytes that look like source text: words, numbers, lines. */
export function sourceText(seed: string, length: number): Buffer {
  const choices = noise(seed, Math.ceil(length / 2));
  const parts: string[] = [];
  for (let at = 0, size = 0; size < length; at += 1) {
    const choice = choices[at % choices.length] ?? 0;
    const word = choice < 200 ? (WORDS[choice % WORDS.length] ?? "") : String(choice * at);
    const part = word + (choice % 9 === 0 ? "\n  " : " ");
    parts.push(part);
    size += part.length;
  }
  return Buffer.from(parts.join("")).subarray(0, length);
}

/** Lengths of all chunks of `[0, end)`. */
export function lengthsOf(cut: (start: number, end: number) => number, end: number): number[] {
  const lengths: number[] = [];
  for (let start = 0; start < end; ) {
    const length = cut(start, end);
    lengths.push(length);
    start += length;
  }
  return lengths;
}
