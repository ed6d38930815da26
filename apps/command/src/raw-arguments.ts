/**
 * Paths given as arguments, as the bytes they are.
 *
 * Node.js decodes arguments as UTF-8; what is no UTF-8 arrives with replacement characters. Linux still knows the bytes.
 *
 * @module
 */
import { readFileSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import process from "node:process";
import { resolvePath } from "@holdfast/sources";

const REPLACEMENT = "\u{fffd}";

/** The bytes of an argument of this process. */
export function argumentBytes(text: string): Buffer {
  const plain = Buffer.from(text, "utf8");
  if (!text.includes(REPLACEMENT)) return plain;
  return commandLine().find((bytes) => bytes.toString("utf8") === text) ?? plain;
}

/** The absolute path that an argument names, without `.`, `..` and a slash at the end. */
export function argumentPath(text: string): Buffer {
  return resolvePath(currentFolder(), argumentBytes(text));
}

/** A path inside a copy: components, with or without a slash in front. */
export function copyPath(text: string): Buffer {
  // Latin-1 is one character a byte.
  const path = posix.normalize(`/${argumentBytes(text).toString("latin1")}`).replaceAll(/^\/+|\/+$/gu, "");
  return Buffer.from(path, "latin1");
}

function commandLine(): readonly Buffer[] {
  try {
    const bytes = readFileSync("/proc/self/cmdline");
    const found: Buffer[] = [];
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(0, start);
      found.push(bytes.subarray(start, end < 0 ? bytes.length : end));
      start = end < 0 ? bytes.length : end + 1;
    }
    return found;
  } catch {
    return [];
  }
}

function currentFolder(): Buffer {
  try {
    return readlinkSync("/proc/self/cwd", { encoding: "buffer" });
  } catch {
    return Buffer.from(process.cwd(), "utf8");
  }
}
