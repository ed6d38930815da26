/**
 * What `--include PATH` means: the path from the top of the copy, with all below it. Patterns work, and so does a path
 * that has their characters in its name.
 *
 * @module
 */
const PATTERN_CHARACTERS = /[*?[\]{}\\]/u;

export function hasPattern(include: string): boolean {
  return PATTERN_CHARACTERS.test(include);
}

/** Patterns as `createInclusion` takes them. */
export function includePatterns(include: string): readonly string[] {
  const path = include.replaceAll(/^(?:\.?\/)+|\/+$/gu, "");
  // Everything.
  if (path === "" || path === ".") return ["*"];
  const literal = `/${path.replaceAll(/[*?[\]{}\\!]/gu, String.raw`\$&`)}`;
  return hasPattern(path) ? [literal, `/${path}`] : [literal];
}
