/**
 * Names of attributes in a copy, and which of them a system takes back (docs/format.md, section 7.1).
 *
 * A copy has the attributes of Linux by their own names, which begin with a name space of the kernel. Those of macOS,
 * which has none, are kept below `user.`, where Linux takes them, too. What is no extended attribute at its home stands
 * below `holdfast.`, a name space no kernel has.
 *
 * @module
 */
export const USER_PREFIX = "user.";
export const OWN_PREFIX = "holdfast.";
export const CREATED = "holdfast.created";
export const WINDOWS_ATTRIBUTES = "holdfast.windows.attributes";
export const WINDOWS_SECURITY = "holdfast.windows.security";
export const WINDOWS_LINK = "holdfast.windows.link";
export const WINDOWS_STREAM_PREFIX = "holdfast.windows.stream.";
export const MACOS_FLAGS = "holdfast.macos.flags";
export const MACOS_ACL = "holdfast.macos.acl";

/** Kinds of metadata as a person knows them, by the beginning of the name; the first that fits counts. */
const KINDS: readonly (readonly [prefix: string, kind: string])[] = [
  [CREATED, "creation times"],
  [WINDOWS_ATTRIBUTES, "attributes of Windows"],
  [WINDOWS_SECURITY, "security descriptors of Windows"],
  [WINDOWS_LINK, "kinds of links of Windows"],
  [WINDOWS_STREAM_PREFIX, "alternate data streams of Windows"],
  [MACOS_FLAGS, "flags of macOS"],
  [MACOS_ACL, "access control lists of macOS"],
  ["system.posix_acl", "POSIX access control lists"],
  ["security.", "security attributes of Linux"],
  [USER_PREFIX, "extended attributes"],
];

/** What a person calls the kind of metadata that an attribute holds. */
export function kindOfAttribute(name: Buffer): string {
  const text = name.toString("latin1");
  return KINDS.find(([prefix]) => text.startsWith(prefix))?.[1] ?? "system attributes";
}

const NS_PER_SECOND = 1_000_000_000n;
const TIME_BYTES = 12;

/** i64 seconds, u32 nanoseconds. */
export function encodeTime(timeNs: bigint): Buffer {
  const rest = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const bytes = Buffer.alloc(TIME_BYTES);
  bytes.writeBigInt64LE((timeNs - rest) / NS_PER_SECOND, 0);
  bytes.writeUInt32LE(Number(rest), 8);
  return bytes;
}

/** Undefined for bytes that are no such time. */
export function decodeTime(bytes: Buffer): bigint | undefined {
  if (bytes.length !== TIME_BYTES) return undefined;
  const rest = bytes.readUInt32LE(8);
  return rest < 1e9 ? bytes.readBigInt64LE(0) * NS_PER_SECOND + BigInt(rest) : undefined;
}

export function encodeBits(bits: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(bits >>> 0, 0);
  return bytes;
}

/** Undefined for bytes that are no u32. */
export function decodeBits(bytes: Buffer): number | undefined {
  return bytes.length === 4 ? bytes.readUInt32LE(0) : undefined;
}
