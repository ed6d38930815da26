/**
 * Paths of Windows and how they stand in a copy.
 *
 *     C:\Users\ann              C/Users/ann
 *     \\server\share\folder     UNC/server/share/folder
 *
 * Calls get the form `\\?\C:\...`, which may be longer than 260 characters and in which Windows changes nothing: no dots
 * or spaces at the end are cut off, and `NUL` is a name like others. Source: "Naming Files, Paths, and Namespaces" and
 * "Maximum Path Length Limitation", Win32 documentation.
 *
 * Above drives and shares there is no folder: such places are *virtual* and begin with a mark that no path has.
 *
 * @module
 */
import { win32 } from "node:path";
import type { PathRules } from "../file-platform.ts";

const LONG = "\\\\?\\";
const LONG_UNC = "\\\\?\\UNC\\";
const UNC = "UNC";
/** No path of Windows has a `?` but in front. */
export const VIRTUAL_MARK = "virtual?";
const DRIVE = /^[A-Za-z]$/u;
/** With the digits of other alphabets that Windows takes for ports. */
const RESERVED =
  /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u{b9}\u{b2}\u{b3}])(?:[ ]*\..*|[ ]*)$/iu;
const NAME_UNITS_MAX = 255;

export const WINDOWS_PATHS: PathRules = {
  toTree: (path) => Buffer.from(toTreeText(path.toString("utf8")), "utf8").toString("latin1"),
  toSystem: (path) => Buffer.from(toLongPath(Buffer.from(path, "latin1").toString("utf8")), "utf8"),
  below: (place, path) =>
    Buffer.from(
      belowPath(place.toString("utf8"), Buffer.from(path, "latin1").toString("utf8").replaceAll("/", "\\")),
      "utf8",
    ),
  resolve: (folder, path) =>
    Buffer.from(win32.resolve(folder.toString("utf8"), path.toString("utf8")), "utf8"),
  forCalls: (path) => Buffer.from(toLongPath(toTreeText(path.toString("utf8"))), "utf8"),
  shown: (path) => shownPath(Buffer.from(path, "latin1").toString("utf8")),
  nameProblem: (name) => windowsNameProblem(Buffer.from(name).toString("utf8")),
};

/** Of an absolute path in any form that Windows has; `/` counts as `\`. */
export function toTreeText(path: string): string {
  let rest = path.replaceAll("/", "\\");
  let isUnc = false;
  if (/^\\\\[?.]\\UNC\\/iu.test(rest)) {
    isUnc = true;
    rest = rest.slice(LONG_UNC.length);
  } else if (/^\\\\[?.]\\/u.test(rest)) {
    rest = rest.slice(LONG.length);
  } else if (rest.startsWith("\\\\")) {
    isUnc = true;
    rest = rest.slice(2);
  }
  const parts = rest.split("\\").filter((part) => part !== "" && part !== ".");
  const fixed = isUnc ? 2 : 1;
  const kept: string[] = [];
  for (const part of parts) {
    // `..` does not lead above a drive or a share.
    if (part !== ".." || kept.length === 0) kept.push(part);
    else if (kept.length > fixed) kept.pop();
  }
  if (isUnc) return [UNC, ...kept].join("/");
  const [drive = "", ...below] = kept;
  return [/^[A-Za-z]:$/u.test(drive) ? drive.charAt(0).toUpperCase() : drive, ...below].join("/");
}

/** What system calls get, or the place's path behind {@link VIRTUAL_MARK}. */
export function toLongPath(tree: string): string {
  const parts = tree === "" ? [] : tree.split("/");
  const [first = "", second, third, ...rest] = parts;
  if (DRIVE.test(first)) return `${LONG}${first.toUpperCase()}:\\${parts.slice(1).join("\\")}`;
  if (first === UNC && second !== undefined && third !== undefined) {
    return `${LONG_UNC}${second}\\${third}\\${rest.join("\\")}`;
  }
  return VIRTUAL_MARK + tree;
}

/** As people write it. */
export function shownPath(tree: string): string {
  const long = toLongPath(tree);
  if (long.startsWith(LONG_UNC)) return `\\\\${long.slice(LONG_UNC.length)}`;
  return long.startsWith(LONG) ? long.slice(LONG.length) : `\\${tree.replaceAll("/", "\\")}`;
}

/** An entry of an open folder by the folder's path. */
export function belowPath(directory: string, name: string): string {
  if (directory.startsWith(VIRTUAL_MARK)) {
    const above = directory.slice(VIRTUAL_MARK.length);
    return toLongPath(above === "" ? name : `${above}/${name}`);
  }
  return directory.endsWith("\\") ? directory + name : `${directory}\\${name}`;
}

/**
 * Why Windows, or programs on it, could not reach an entry of this name. A colon would name a stream, a backslash a
 * folder: with these a copy could write outside of the target.
 */
export function windowsNameProblem(name: string): string | undefined {
  if (name.includes("\u{fffd}")) return "its name is no text, as names of Windows are";
  if (/[\\:]/u.test(name)) return "its name has a backslash or a colon, which lead elsewhere on Windows";
  // oxlint-disable-next-line no-control-regex -- these are what Windows forbids
  if (/[<>"|?*\u0000-\u001f]/u.test(name)) return "its name has a character that Windows forbids";
  if (/[ .]$/u.test(name)) return "its name ends in a dot or a space, which Windows cuts off";
  if (RESERVED.test(name)) return "its name means a device on Windows";
  if (name.length > NAME_UNITS_MAX) return "its name is longer than Windows allows";
  return undefined;
}
