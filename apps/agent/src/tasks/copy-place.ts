/**
 * Paths of copies between bytes, as copies have them, and what the protocol says of them.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { AppError } from "@holdfast/kernel";
import type { Entry } from "@holdfast/repository";

const PATH_CHARACTERS_MAX = 4096;

export interface CopyPlace {
  readonly path: string;
  readonly pathBytes?: string | undefined;
}

/** Without slashes around. */
export function bytesOfPlace({ path, pathBytes }: CopyPlace): Buffer {
  if (pathBytes !== undefined) return Buffer.from(pathBytes, "base64url");
  return Buffer.from(path.replaceAll(/^\/+|\/+$/gu, ""), "utf8");
}

export interface ShownPath {
  readonly path: string;
  readonly pathBytes?: string;
}

/** As text, and as bytes where the text is not all of it. */
export function shownPath(path: Buffer): ShownPath {
  const text = path.toString("utf8");
  if (isUtf8(path) && text.length <= PATH_CHARACTERS_MAX) return { path: text };
  return { path: text.slice(0, PATH_CHARACTERS_MAX).toWellFormed(), ...bytesField(path) };
}

/** The bytes of a path whose text does not say all of it. */
export function bytesField(path: Buffer): { readonly pathBytes?: string } {
  const pathBytes = path.toString("base64url");
  // Longer than any path of a file system: it is shown, and cannot be asked for.
  return pathBytes.length > 2 * PATH_CHARACTERS_MAX ? {} : { pathBytes };
}

export interface EntryFields {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly modifiedMs: number;
}

export function entryFields(entry: Entry): EntryFields {
  const { kind, mtimeSeconds, mtimeNanoseconds } = entry;
  return {
    kind: kind === "file" || kind === "directory" || kind === "symlink" ? kind : "other",
    size: kind === "file" ? entry.size : 0,
    modifiedMs: Number(mtimeSeconds) * 1000 + Math.trunc(mtimeNanoseconds / 1e6),
  };
}

export function notInCopy(path: Buffer): AppError {
  const subject = `/${path.toString("utf8").slice(0, PATH_CHARACTERS_MAX)}`;
  return new AppError("ERR_PATH_NOT_FOUND", `${subject} is not in the copy.`, {
    subject,
    remedy: "Browse the copy to see what is in it.",
  });
}
