/**
 * One pattern that names entries, as it stands in an option, a file of patterns or a plan.
 *
 *     *  ?  [a-z]  [!a-z]  {one,two}   within one name; names that begin with a dot are no exception
 *     **                               as a whole component: any number of components, none included
 *     \x                               the character x itself
 *     no slash                         matches a name at any depth
 *     a slash inside                   anchored at each path that is backed up
 *     a slash in front                 anchored at the root of the file system
 *     a slash at the end               matches folders only
 *     ! in front                       takes back what an earlier pattern named
 *
 * `dir/**` names what is in `dir`, not `dir` itself. Parentheses, `+`, `|`, `@` and quotes mean themselves. Case counts.
 * Text is compared as UTF-8; a path that is not UTF-8 is compared byte by byte, the pattern's own bytes likewise.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import picomatch from "picomatch";
import { matcherOf } from "./linear-expression.ts";

export type GlobAnchor = "name" | "start" | "root";

export interface GlobPattern {
  readonly text: string;
  readonly negated: boolean;
  readonly foldersOnly: boolean;
  readonly anchor: GlobAnchor;
  /** The pattern itself, without marks in front and at the end. */
  readonly body: string;
  readonly test: GlobTest;
}

/** @param latin1 true when the subject is the latin1 form of bytes that are not UTF-8. */
export type GlobTest = (subject: string, latin1: boolean) => boolean;

const PATTERN_LENGTH_MAX = 4096;

/** @throws {AppError} `ERR_USAGE` for a pattern that is empty, too long or cannot be understood. */
export function parseGlob(text: string): GlobPattern {
  const negated = text.startsWith("!");
  let body = negated ? text.slice(1) : text;
  const foldersOnly = body.endsWith("/");
  body = body.replace(/\/+$/u, "");
  const anchor = body.startsWith("/") ? "root" : body.includes("/") ? "start" : "name";
  body = body.replace(/^\/+/u, "").replace(/^(?:\.\/+)+/u, "");
  if (body === "" || body.split("/").some((name) => name === "." || name === "..")) {
    throw unusable(text, "it names no entry");
  }
  if (text.length > PATTERN_LENGTH_MAX) throw unusable(text.slice(0, 64), "it is too long");
  return { text, negated, foldersOnly, anchor, body, test: compileGlob(body, text) };
}

/** A test for the part of a pattern that is compared; used for single components, too. */
export function compileGlob(body: string, text: string): GlobTest {
  try {
    const utf8 = matcher(body);
    const bytes = Buffer.from(body, "utf8").toString("latin1");
    const latin1 = bytes === body ? utf8 : matcher(bytes);
    return (subject, isLatin1) => (isLatin1 ? latin1 : utf8)(subject);
  } catch (cause) {
    throw unusable(text, cause instanceof Error ? cause.message : String(cause));
  }
}

/** The flag `s`: a newline in a name is a character like any other, else such a name would escape its pattern. */
export const PICOMATCH_OPTIONS = {
  dot: true,
  flags: "s",
  keepQuotes: true,
  noextglob: true,
  nonegate: true,
  strictSlashes: true,
  windows: false,
} as const;

function matcher(body: string): (subject: string) => boolean {
  return matcherOf(picomatch.makeRe(withLiterals(body), PICOMATCH_OPTIONS));
}

/**
 * Escapes what picomatch would hand to the regular expression as an operator, and turns `[!...]` into `[^...]`, which
 * it takes for something else.
 */
function withLiterals(body: string): string {
  let result = "";
  let inClass = false;
  for (let index = 0; index < body.length; index += 1) {
    const character = body.charAt(index);
    if (character === "\\") {
      index += 1;
      const escaped = body.charAt(index);
      // Before letters and digits it would mean something else to the regular expression.
      result += /[a-z0-9]/iu.test(escaped) ? escaped : character + escaped;
    } else if (inClass) {
      inClass = character !== "]";
      result += character;
    } else if (character === "[" && body.includes("]", index + 1)) {
      inClass = true;
      const negation = body.charAt(index + 1) === "!";
      if (negation) index += 1;
      result += negation ? "[^" : "[";
    } else {
      result += "()+|@[".includes(character) ? `\\${character}` : character;
    }
  }
  return result;
}

function unusable(pattern: string, reason: string): AppError {
  return new AppError("ERR_USAGE", `The pattern "${pattern}" cannot be used: ${reason}.`, {
    subject: pattern,
    remedy: "Patterns look like *.tmp, cache/, /var/tmp or projects/**/build.",
  });
}
