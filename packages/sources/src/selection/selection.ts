/**
 * What is backed up: everything below the paths given, except what the patterns name.
 *
 * The last pattern that matches decides, so that `!` takes back what an earlier one named. An excluded folder is not
 * entered: nothing below it can be taken back. A path that was given itself is always wanted.
 *
 * @module
 */
import type { EntryKind } from "../posix/entry-stat.ts";
import { readExcludeFile } from "./exclude-file.ts";
import { type GlobPattern, parseGlob } from "./glob-pattern.ts";
import { baseName, pathText } from "./path-text.ts";

export interface SelectionOptions {
  readonly exclude?: readonly string[];
  /** Files of patterns, read after `exclude`, in this order. */
  readonly excludeFiles?: readonly string[];
  readonly oneFileSystem?: boolean;
  /** The paths that are backed up, absolute: where patterns with a slash inside begin. */
  readonly roots?: readonly Buffer[];
}

/** What another thread makes the same selection from, by {@link createSelection}: plain data. */
export interface SelectionDefinition {
  readonly exclude: readonly string[];
  readonly oneFileSystem: boolean;
  readonly roots: readonly Buffer[];
}

export interface Selection {
  readonly definition: SelectionDefinition;
  /** True when there is nothing to decide by name: {@link wants} is always true. */
  readonly everything: boolean;
  /** Whether an entry belongs to the backup; a folder that does not is not to be entered. Takes absolute paths. */
  wants(path: Buffer, kind: EntryKind): boolean;
  /** Whether a folder is to be entered, by the devices (`dev`) of it and of the path given; it is kept either way. */
  enters(folderDevice: number, rootDevice: number): boolean;
}

const SLASH = 0x2f;

/** @throws {AppError} `ERR_USAGE` for an unusable pattern or file of patterns. */
export function createSelection(options: SelectionOptions): Selection {
  const texts = [...(options.exclude ?? []), ...(options.excludeFiles ?? []).flatMap(readExcludeFile)];
  const patterns = texts.map(parseGlob);
  const roots = (options.roots ?? []).map(withoutTrailingSlash);
  const oneFileSystem = options.oneFileSystem ?? false;
  return {
    definition: { exclude: texts, oneFileSystem, roots },
    everything: patterns.length === 0,
    wants: patterns.length === 0 ? () => true : (path, kind) => wantsByPattern(patterns, roots, path, kind),
    enters: (folderDevice, rootDevice) => !oneFileSystem || folderDevice === rootDevice,
  };
}

function wantsByPattern(
  patterns: readonly GlobPattern[],
  roots: readonly Buffer[],
  path: Buffer,
  kind: EntryKind,
): boolean {
  if (roots.some((root) => root.equals(path))) return true;
  const { text, latin1 } = pathText(path);
  const subjects: Record<GlobPattern["anchor"], readonly string[] | undefined> = {
    name: [baseName(text)],
    root: [text.slice(1)],
    start: undefined,
  };
  for (let index = patterns.length - 1; index >= 0; index -= 1) {
    const pattern = patterns[index];
    if (pattern === undefined || (pattern.foldersOnly && kind !== "directory")) continue;
    subjects[pattern.anchor] ??= relativeTexts(roots, path, latin1);
    if (subjects[pattern.anchor]?.some((subject) => pattern.test(subject, latin1)) === true) {
      return pattern.negated;
    }
  }
  return true;
}

/** The path as seen from each of the paths given that it lies below. */
function relativeTexts(roots: readonly Buffer[], path: Buffer, latin1: boolean): readonly string[] {
  const encoding = latin1 ? "latin1" : "utf8";
  const texts: string[] = [];
  for (const root of roots) {
    const below = path.length > root.length + 1 && path[root.length] === SLASH;
    if (below && path.subarray(0, root.length).equals(root))
      texts.push(path.toString(encoding, root.length + 1));
  }
  return texts;
}

/** `/` becomes the empty path, below which everything absolute lies. */
function withoutTrailingSlash(root: Buffer): Buffer {
  let end = root.length;
  while (end > 0 && root[end - 1] === SLASH) end -= 1;
  return root.subarray(0, end);
}
