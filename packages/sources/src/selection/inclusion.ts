/**
 * What is restored: the entries that a pattern names, with everything below them.
 *
 * Patterns are written as for a selection; both kinds of slash anchor at the top of the copy. The answer for a folder
 * tells whether it is worth descending, so that one file out of millions is found without reading the whole copy.
 *
 * @module
 */
import type { EntryKind } from "../posix/entry-stat.ts";
import { compileGlob, type GlobPattern, type GlobTest, parseGlob } from "./glob-pattern.ts";
import { baseName, pathText } from "./path-text.ts";

/** `leads-to`: a folder that is not wanted itself, but something below it may be. */
export type InclusionAnswer = "inside" | "leads-to" | "outside";

export interface Inclusion {
  /** True when there is no pattern: everything is inside. */
  readonly everything: boolean;
  /** @param path from the top of the copy; a slash in front does not matter. */
  match(path: Buffer, kind: EntryKind): InclusionAnswer;
}

interface IncludePattern extends GlobPattern {
  /** A test for each component on the way down; undefined when any folder may lead to a match. */
  readonly way: readonly GlobTest[] | undefined;
}

/** @throws {AppError} `ERR_USAGE` for an unusable pattern. A pattern with `!` leaves out what earlier ones named. */
export function createInclusion(texts: readonly string[]): Inclusion {
  const patterns = texts.map((text): IncludePattern => {
    const pattern = parseGlob(text);
    return { ...pattern, way: wayTo(pattern) };
  });
  if (patterns.length === 0) return { everything: true, match: () => "inside" };
  return { everything: false, match: (path, kind) => matchPatterns(patterns, path, kind) };
}

function matchPatterns(patterns: readonly IncludePattern[], path: Buffer, kind: EntryKind): InclusionAnswer {
  const { text, latin1 } = pathText(path);
  const subject = text.replace(/^\/+/u, "");
  for (let index = patterns.length - 1; index >= 0; index -= 1) {
    const pattern = patterns[index];
    if (pattern === undefined || !namesPathOrAncestor(pattern, subject, latin1, kind)) continue;
    // What a `!` has left out is not entered for the sake of an earlier pattern.
    return pattern.negated ? "outside" : "inside";
  }
  if (kind !== "directory") return "outside";
  if (subject === "") return "leads-to";
  const components = subject.split("/");
  const leads = patterns.some((pattern) => !pattern.negated && leadsTo(pattern, components, latin1));
  return leads ? "leads-to" : "outside";
}

function namesPathOrAncestor(
  pattern: IncludePattern,
  subject: string,
  latin1: boolean,
  kind: EntryKind,
): boolean {
  let end = subject.length;
  let isFolder = kind === "directory";
  while (end > 0) {
    const candidate = subject.slice(0, end);
    const tested = pattern.anchor === "name" ? baseName(candidate) : candidate;
    if ((isFolder || !pattern.foldersOnly) && pattern.test(tested, latin1)) return true;
    end = subject.lastIndexOf("/", end - 1);
    isFolder = true;
  }
  return false;
}

function leadsTo(pattern: IncludePattern, components: readonly string[], latin1: boolean): boolean {
  const { way } = pattern;
  if (way === undefined) return true;
  return (
    components.length < way.length &&
    components.every((component, depth) => way[depth]?.(component, latin1) === true)
  );
}

function wayTo(pattern: GlobPattern): readonly GlobTest[] | undefined {
  // Braces may hold slashes, and `**` stands for any number of components: then any folder may lead there.
  if (pattern.anchor === "name" || /[{}]|\*\*/u.test(pattern.body)) return undefined;
  return pattern.body.split("/").map((component) => compileGlob(component, pattern.text));
}
