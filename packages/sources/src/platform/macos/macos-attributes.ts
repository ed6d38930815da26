/**
 * What a copy keeps of a file of macOS besides content, owner, mode and times: extended attributes with the resource fork
 * and the mark of quarantine among them, flags, creation time, access control list.
 *
 * @module
 */
import { ERRNO } from "../../posix/errno.ts";
import type { Xattr } from "../../posix/file-calls.ts";
import type { XattrReading } from "../../posix/xattrs.ts";
import {
  CREATED,
  decodeBits,
  decodeTime,
  encodeBits,
  encodeTime,
  MACOS_ACL,
  MACOS_FLAGS,
  USER_PREFIX,
} from "../attribute-names.ts";
import { countAclEntries } from "./acl-text.ts";
import { decodeCommonAttributes, KEPT_FLAGS } from "./common-attributes.ts";
import type { MacosCalls } from "./macos-calls.ts";

/** ENOATTR of sys/errno.h: removed since it was listed. */
const ENOATTR = 93;

type Failure = XattrReading["failures"][number];

export function readMacosAttributes(calls: MacosCalls, path: Buffer): XattrReading {
  const xattrs: Xattr[] = [];
  const failures: Failure[] = [];
  readCommon(calls, path, xattrs, failures);
  readXattrs(calls, path, xattrs, failures);
  const acl = calls.aclText(path);
  if (typeof acl === "number") {
    if (!isAbsent(acl)) failures.push({ name: Buffer.from(MACOS_ACL), errno: acl });
  } else if (acl !== "") {
    xattrs.push({ name: Buffer.from(MACOS_ACL), value: Buffer.from(acl, "utf8") });
  }
  return { xattrs: xattrs.toSorted((one, other) => one.name.compare(other.name)), failures };
}

function readCommon(calls: MacosCalls, path: Buffer, xattrs: Xattr[], failures: Failure[]): void {
  const bytes = calls.commonAttributes(path);
  if (typeof bytes === "number") {
    failures.push({ name: undefined, errno: bytes });
    return;
  }
  const common = decodeCommonAttributes(bytes);
  if (common === undefined) return;
  xattrs.push({ name: Buffer.from(CREATED), value: encodeTime(common.createdNs) });
  if (common.flags !== 0) xattrs.push({ name: Buffer.from(MACOS_FLAGS), value: encodeBits(common.flags) });
}

function readXattrs(calls: MacosCalls, path: Buffer, xattrs: Xattr[], failures: Failure[]): void {
  const list = calls.listXattrs(path);
  if (typeof list === "number") {
    if (list !== -ERRNO.ENOTSUP) failures.push({ name: undefined, errno: list });
    return;
  }
  for (const text of list.toString("latin1").split("\0")) {
    if (text === "") continue;
    const value = calls.getXattr(path, Buffer.from(text, "latin1"));
    const name = Buffer.from(USER_PREFIX + text, "latin1");
    if (typeof value !== "number") xattrs.push({ name, value });
    else if (!isAbsent(value)) failures.push({ name, errno: value });
  }
}

function isAbsent(errno: number): boolean {
  return errno === -ENOATTR || errno === -ERRNO.ENOTSUP;
}

export function takesOnMacos(name: Buffer): boolean {
  const text = name.toString("latin1");
  if (text.startsWith(USER_PREFIX)) return text.length > USER_PREFIX.length;
  return text === CREATED || text === MACOS_FLAGS || text === MACOS_ACL;
}

/** Sets one attribute of a copy; 0 or the negated error number. Some wait for {@link sealOnMacos}. */
export function setMacosAttribute(calls: MacosCalls, path: Buffer, { name, value }: Xattr): number {
  const text = name.toString("latin1");
  if (text.startsWith(USER_PREFIX)) {
    return calls.setXattr(path, Buffer.from(text.slice(USER_PREFIX.length), "latin1"), value);
  }
  switch (text) {
    case MACOS_ACL: {
      const acl = value.toString("utf8");
      return countAclEntries(acl) === undefined ? -ERRNO.EINVAL : calls.setAclText(path, acl);
    }
    case CREATED:
    case MACOS_FLAGS:
      return 0;
    default:
      return -ERRNO.ENOTSUP;
  }
}

/**
 * Creation time and flags. An earlier modification time takes the creation time along; and with the flag that forbids
 * changes nothing else could be set, nor could the entry be given its name.
 */
export function sealOnMacos(calls: MacosCalls, path: Buffer, xattrs: readonly Xattr[]): number {
  const valueOf = (wanted: string): Buffer | undefined =>
    xattrs.find(({ name }) => name.toString("latin1") === wanted)?.value;
  const created = valueOf(CREATED);
  const flags = valueOf(MACOS_FLAGS);
  const timed = created === undefined ? 0 : setCreated(calls, path, created);
  return Math.min(timed, flags === undefined ? 0 : setFlags(calls, path, flags));
}

function setCreated(calls: MacosCalls, path: Buffer, value: Buffer): number {
  const timeNs = decodeTime(value);
  return timeNs === undefined ? -ERRNO.EINVAL : calls.setCreated(path, timeNs);
}

function setFlags(calls: MacosCalls, path: Buffer, value: Buffer): number {
  const flags = decodeBits(value);
  return flags === undefined ? -ERRNO.EINVAL : calls.setFlags(path, flags & KEPT_FLAGS);
}
