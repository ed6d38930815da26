/**
 * Entries of a copy for people and programs.
 *
 * @module
 */
import type { Entry } from "@holdfast/repository";
import type { JsonFields } from "./output/output.ts";
import { copyPathFields, displayBytes, displayPath, pathFields, printable } from "./output/printable.ts";
import { formatBytes, formatTime } from "./output/quantity.ts";

const KIND_LETTERS: Readonly<Record<Entry["kind"], string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  fifo: "p",
  socket: "s",
  char: "c",
  block: "b",
};

/** Every field of an entry but its content. `mode` is the number, `time` is that of the last change of the content. */
export function entryFields(path: Buffer, entry: Entry): JsonFields {
  return {
    ...copyPathFields(path),
    kind: entry.kind,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user,
    group: entry.group,
    time: isoTime(entry),
    ...(entry.kind === "file" ? { size: entry.size } : {}),
    ...(entry.kind === "symlink" ? targetFields(entry.target) : {}),
    ...(entry.kind === "char" || entry.kind === "block" ? { major: entry.major, minor: entry.minor } : {}),
    ...(entry.changedWhileRead ? { changedWhileRead: true } : {}),
  };
}

/** As `ls -l` shows it, with the whole path. */
export function entryLine(path: Buffer, entry: Entry): string {
  const owner = `${entry.user === "" ? String(entry.uid) : entry.user} `;
  const group = entry.group === "" ? String(entry.gid) : entry.group;
  const size = entry.kind === "file" ? formatBytes(entry.size) : "";
  const time = formatTime(Number(entry.mtimeSeconds) * 1000);
  const target = entry.kind === "symlink" ? ` -> ${displayBytes(entry.target)}` : "";
  const owners = printable(owner + group).padEnd(15);
  return `${modeText(entry)} ${owners} ${size.padStart(9)} ${time} ${displayPath(path)}${target}`;
}

/** `-rwsr-xr-x`, as ls(1) shows it. */
export function modeText({ kind, mode }: Pick<Entry, "kind" | "mode">): string {
  const owner = permissions(mode >> 6, (mode & 0o4000) !== 0, "s");
  const group = permissions(mode >> 3, (mode & 0o2000) !== 0, "s");
  return `${KIND_LETTERS[kind]}${owner}${group}${permissions(mode, (mode & 0o1000) !== 0, "t")}`;
}

/** @param special whether the set-id or sticky bit is set, which `letter` stands for. */
function permissions(bits: number, special: boolean, letter: string): string {
  const execute = (bits & 1) !== 0;
  const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? "x" : "-";
  return `${(bits & 4) === 0 ? "-" : "r"}${(bits & 2) === 0 ? "-" : "w"}${last}`;
}

function targetFields(target: Buffer): JsonFields {
  const { path, pathBase64 } = pathFields(target);
  return { target: path, ...(pathBase64 === undefined ? {} : { targetBase64: pathBase64 }) };
}

/** With nanoseconds; null for a time that no calendar has. */
function isoTime({ mtimeSeconds, mtimeNanoseconds }: Entry): string | null {
  const date = new Date(Number(mtimeSeconds) * 1000);
  if (Number.isNaN(date.getTime())) return null;
  return date.toISOString().replace(/\.\d+Z$/u, `.${String(mtimeNanoseconds).padStart(9, "0")}Z`);
}
