/**
 * What a copy keeps of a file of Windows besides content and times: attributes, creation time, security descriptor,
 * alternate data streams, the kind of a link.
 *
 * @module
 */
import fs from "node:fs";
import { ENTRY_LIMITS } from "@holdfast/repository";
import { ERRNO, negatedErrno } from "../../posix/errno.ts";
import type { Xattr } from "../../posix/file-calls.ts";
import type { XattrReading } from "../../posix/xattrs.ts";
import {
  CREATED,
  decodeBits,
  decodeTime,
  encodeBits,
  encodeTime,
  WINDOWS_ATTRIBUTES,
  WINDOWS_LINK,
  WINDOWS_SECURITY,
  WINDOWS_STREAM_PREFIX,
} from "../attribute-names.ts";
import { ATTRIBUTE, decodeAttributeData, KEPT, SETTABLE, toFileTime } from "./file-attributes.ts";
import { reparseKindOf } from "./reparse-points.ts";
import {
  daclInformation,
  informationToSet,
  parseSecurityDescriptor,
  SECURITY_INFORMATION,
} from "./security-descriptor.ts";
import { decodeStreamData, isStreamName, type StreamInfo } from "./streams.ts";
import type { WindowsCalls } from "./windows-calls.ts";

/** Error codes of Windows by what they are called elsewhere; all others are EIO. */
const ERRNO_BY_WIN32: Readonly<Record<number, number>> = {
  2: ERRNO.ENOENT,
  3: ERRNO.ENOENT,
  5: ERRNO.EACCES,
  32: ERRNO.EBUSY,
  33: ERRNO.EBUSY,
  50: ERRNO.ENOTSUP,
  112: ERRNO.ENOSPC,
  1307: ERRNO.EPERM,
  1314: ERRNO.EPERM,
};

/** Negated, as file calls have it. */
export function errnoOfWin32(error: number): number {
  return -(ERRNO_BY_WIN32[Math.abs(error)] ?? ERRNO.EIO);
}

/** Content of a stream, by the path of the file and of the stream. */
export interface StreamFiles {
  readonly read: (path: string) => Buffer;
  readonly write: (path: string, content: Buffer) => void;
}

const STREAM_FILES: StreamFiles = {
  read: (path) => fs.readFileSync(path),
  write: (path, content) => {
    fs.writeFileSync(path, content);
  },
};

type Failure = XattrReading["failures"][number];

export function readWindowsAttributes(
  calls: WindowsCalls,
  path: string,
  streamFiles: StreamFiles = STREAM_FILES,
): XattrReading {
  const data = calls.attributeData(path);
  if (typeof data === "number") return { xattrs: [], failures: [failure(undefined, data)] };
  const { bits, createdNs } = decodeAttributeData(data);
  const xattrs: Xattr[] = [{ name: Buffer.from(WINDOWS_ATTRIBUTES), value: encodeBits(bits & KEPT) }];
  const failures: Failure[] = [];
  if (createdNs !== undefined) xattrs.push({ name: Buffer.from(CREATED), value: encodeTime(createdNs) });
  const link = (bits & ATTRIBUTE.reparsePoint) === 0 ? undefined : linkKind(calls, path, bits);
  if (link !== undefined) {
    // Calls for the rest would follow the link.
    xattrs.push({ name: Buffer.from(WINDOWS_LINK), value: Buffer.from(link) });
  } else {
    readSecurity(calls, path, xattrs, failures);
    readStreams(calls, path, streamFiles, xattrs, failures);
  }
  return { xattrs: xattrs.toSorted((one, other) => one.name.compare(other.name)), failures };
}

export type LinkKind = "file" | "dir" | "junction";

function linkKind(calls: WindowsCalls, path: string, bits: number): LinkKind | undefined {
  const point = calls.reparsePoint(path);
  const kind = typeof point === "number" ? "other" : reparseKindOf(point);
  if (kind === "junction") return "junction";
  if (kind !== "link") return undefined;
  return (bits & ATTRIBUTE.directory) === 0 ? "file" : "dir";
}

function readSecurity(calls: WindowsCalls, path: string, xattrs: Xattr[], failures: Failure[]): void {
  const name = Buffer.from(WINDOWS_SECURITY);
  const descriptor = calls.security(path);
  if (typeof descriptor !== "number") xattrs.push({ name, value: descriptor });
  // FAT and many shares have no descriptors.
  else if (errnoOfWin32(descriptor) !== -ERRNO.ENOTSUP) failures.push(failure(name, descriptor));
}

function readStreams(
  calls: WindowsCalls,
  path: string,
  files: StreamFiles,
  xattrs: Xattr[],
  failures: Failure[],
): void {
  const found = calls.streams(path);
  if (typeof found === "number") {
    failures.push(failure(undefined, found));
    return;
  }
  for (const stream of found.map(decodeStreamData)) {
    if (stream === undefined) continue;
    const name = Buffer.from(WINDOWS_STREAM_PREFIX + stream.name);
    const value = readStream(files, path, stream);
    if (typeof value === "number") failures.push({ name, errno: value });
    else xattrs.push({ name, value });
  }
}

function readStream(files: StreamFiles, path: string, { name, size }: StreamInfo): Buffer | number {
  // What is larger does not fit an entry.
  if (size > BigInt(ENTRY_LIMITS.xattrValueBytes)) return -ERRNO.EFBIG;
  try {
    return files.read(`${path}:${name}`);
  } catch (error) {
    return negatedErrno(error);
  }
}

function failure(name: Buffer | undefined, error: number): Failure {
  return { name, errno: errnoOfWin32(error) };
}

export function takesOnWindows(name: Buffer): boolean {
  const text = name.toString("utf8");
  if (text.startsWith(WINDOWS_STREAM_PREFIX)) return true;
  return [CREATED, WINDOWS_ATTRIBUTES, WINDOWS_SECURITY, WINDOWS_LINK].includes(text);
}

/** Sets one attribute of a copy on a file or folder; 0 or the negated error number. Bytes come from the copy: hostile. */
export function setWindowsAttribute(
  calls: WindowsCalls,
  path: string,
  { name, value }: Xattr,
  streamFiles: StreamFiles = STREAM_FILES,
): number {
  const text = name.toString("utf8");
  if (text.startsWith(WINDOWS_STREAM_PREFIX)) {
    return writeStream(streamFiles, path, text.slice(WINDOWS_STREAM_PREFIX.length), value);
  }
  switch (text) {
    case CREATED:
      return setCreated(calls, path, value);
    case WINDOWS_ATTRIBUTES:
      return setAttributes(calls, path, value);
    case WINDOWS_SECURITY:
      return setSecurity(calls, path, value);
    case WINDOWS_LINK:
      return 0;
    default:
      return -ERRNO.ENOTSUP;
  }
}

function writeStream(files: StreamFiles, path: string, name: string, content: Buffer): number {
  if (!isStreamName(name)) return -ERRNO.EINVAL;
  try {
    files.write(`${path}:${name}`, content);
    return 0;
  } catch (error) {
    return negatedErrno(error);
  }
}

function setCreated(calls: WindowsCalls, path: string, value: Buffer): number {
  const timeNs = decodeTime(value);
  const ticks = timeNs === undefined ? undefined : toFileTime(timeNs);
  return ticks === undefined ? -ERRNO.EINVAL : result(calls.setCreated(path, ticks));
}

function setAttributes(calls: WindowsCalls, path: string, value: Buffer): number {
  const bits = decodeBits(value);
  if (bits === undefined) return -ERRNO.EINVAL;
  // The others take a handle that may write, which "read only" forbids.
  let status = 0;
  if ((bits & ATTRIBUTE.compressed) !== 0) status = calls.compress(path);
  if ((bits & ATTRIBUTE.sparse) !== 0) status = calls.makeSparse(path) || status;
  const settable = bits & SETTABLE;
  // 0 would leave everything as it is.
  return result(calls.setAttributes(path, settable === 0 ? ATTRIBUTE.normal : settable) || status);
}

/** Encrypting takes the file for itself alone. */
export function sealOnWindows(calls: WindowsCalls, path: string, xattrs: readonly Xattr[]): number {
  const found = xattrs.find(({ name }) => name.toString("latin1") === WINDOWS_ATTRIBUTES);
  const bits = found === undefined ? undefined : decodeBits(found.value);
  return bits === undefined || (bits & ATTRIBUTE.encrypted) === 0 ? 0 : result(calls.encrypt(path));
}

function setSecurity(calls: WindowsCalls, path: string, value: Buffer): number {
  const descriptor = parseSecurityDescriptor(value);
  if (descriptor === undefined) return -ERRNO.EINVAL;
  const information = informationToSet(descriptor);
  if (information === 0) return 0;
  const all = calls.setSecurity(path, information, value);
  if (all >= 0 || (information & SECURITY_INFORMATION.dacl) === 0) return result(all);
  // Only administrators give files away; the list can be set all the same. That the owner is another one is told.
  calls.setSecurity(path, daclInformation(descriptor.isDaclProtected), value);
  return result(all);
}

function result(status: number): number {
  return status < 0 ? errnoOfWin32(status) : 0;
}
