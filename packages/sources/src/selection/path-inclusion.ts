/**
 * What is restored, named by whole paths as bytes: no character of a name means anything but itself.
 *
 * @module
 */
import type { EntryKind } from "../posix/entry-stat.ts";
import type { Inclusion, InclusionAnswer } from "./inclusion.ts";

const SLASH = 0x2f;

/** @param paths from the top of the copy, without slashes around; the empty one is everything. */
export function createPathInclusion(paths: readonly Buffer[]): Inclusion {
  const wanted = new Set(paths.map((path) => path.toString("latin1")));
  const leading = new Set(paths.flatMap((path) => ancestorsOf(path)));
  const match = (given: Buffer, kind: EntryKind): InclusionAnswer => {
    const path = withoutSlashes(given).toString("latin1");
    if (
      wanted.has("") ||
      wanted.has(path) ||
      ancestorsOf(withoutSlashes(given)).some((one) => wanted.has(one))
    )
      return "inside";
    return kind === "directory" && leading.has(path) ? "leads-to" : "outside";
  };
  return { everything: wanted.has(""), match };
}

/** What any of them includes. */
export function unionOf(inclusions: readonly Inclusion[]): Inclusion {
  return {
    everything: inclusions.some(({ everything }) => everything),
    match: (path, kind) => {
      const answers = inclusions.map((inclusion) => inclusion.match(path, kind));
      return (
        answers.find((answer) => answer === "inside") ??
        answers.find((answer) => answer === "leads-to") ??
        "outside"
      );
    },
  };
}

/** Folders above a path, the root included. */
function ancestorsOf(path: Buffer): string[] {
  const ancestors = [""];
  for (let at = path.indexOf(SLASH); at !== -1; at = path.indexOf(SLASH, at + 1))
    ancestors.push(path.toString("latin1", 0, at));
  return path.length === 0 ? [] : ancestors;
}

function withoutSlashes(path: Buffer): Buffer {
  let [start, end] = [0, path.length];
  while (path[start] === SLASH) start += 1;
  while (end > start && path[end - 1] === SLASH) end -= 1;
  return path.subarray(start, end);
}
