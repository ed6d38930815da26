/**
 * Which names a restore accepts. A copy is hostile input: `..`, an absolute path or a slash inside a name would place
 * an entry outside the target.
 *
 * @module
 */
import { rootedPath } from "@holdfast/repository";
import { currentPlatform } from "../platform/current-platform.ts";

const SLASH = 0x2f;
const DOT = 0x2e;
/** Longer folder paths are refused: no file system reaches them, and each level costs an open directory. */
const FOLDER_BYTES_MAX = 64 * 1024;

/** Why a name cannot be one entry of a folder; undefined when it can. */
export function nameProblem(name: Uint8Array): string | undefined {
  if (name.length === 0) return "its name is empty";
  if (name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))) {
    return "its name is a step to another folder";
  }
  for (const byte of name) {
    if (byte === SLASH) return "its name contains a slash";
    if (byte === 0) return "its name contains a NUL";
  }
  return currentPlatform().paths.nameProblem(name);
}

/** The components of a folder path relative to the target; the empty path is the target itself. */
export function splitFolder(folder: Buffer): {
  readonly names: readonly Buffer[];
  readonly problem: string | undefined;
} {
  if (folder.length === 0) return { names: [], problem: undefined };
  if (folder.length > FOLDER_BYTES_MAX) return { names: [], problem: "its path is too long" };
  const names: Buffer[] = [];
  let start = 0;
  while (start <= folder.length) {
    const slash = folder.indexOf(SLASH, start);
    const end = slash < 0 ? folder.length : slash;
    const name = folder.subarray(start, end);
    const problem = nameProblem(name);
    if (problem !== undefined) return { names: [], problem: `of a folder on its way, ${problem}` };
    names.push(name);
    start = end + 1;
  }
  return { names, problem: undefined };
}

export function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from("/"), name]);
}

/** A path of the copy for messages. */
export function displayPath(path: Buffer): string {
  return displayBytes(rootedPath(path));
}

/** A name, or a path of the system, for messages: control characters could steer a terminal. */
export function displayBytes(bytes: Buffer): string {
  return bytes.toString("utf8").replace(/\p{Cc}/gu, "\u{fffd}");
}
