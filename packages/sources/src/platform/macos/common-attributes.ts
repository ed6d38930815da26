/**
 * Creation time and flags of macOS: the answer of getattrlist(2) for ATTR_CMN_CRTIME and ATTR_CMN_FLAGS, which is u32
 * length, struct timespec, u32 flags, packed to 4 bytes; and the flags of sys/stat.h.
 *
 * @module
 */
export const COMMON_ATTRIBUTES_BYTES = 24;
const NS_PER_SECOND = 1_000_000_000n;

const FLAG = {
  noDump: 0x1,
  immutable: 0x2,
  append: 0x4,
  opaque: 0x8,
  hidden: 0x8000,
  archived: 0x1_0000,
  systemImmutable: 0x2_0000,
  systemAppend: 0x4_0000,
  dataless: 0x4000_0000,
} as const;

/** What a copy keeps: the others say how the system stores a file, or can be set by nobody. */
export const KEPT_FLAGS =
  FLAG.noDump |
  FLAG.immutable |
  FLAG.append |
  FLAG.opaque |
  FLAG.hidden |
  FLAG.archived |
  FLAG.systemImmutable |
  FLAG.systemAppend;

export interface CommonAttributes {
  readonly createdNs: bigint;
  readonly flags: number;
  /** Reading would fetch the content from elsewhere. */
  readonly isRemote: boolean;
}

/** Undefined when the file system answers with less. */
export function decodeCommonAttributes(bytes: Buffer): CommonAttributes | undefined {
  if (bytes.length < COMMON_ATTRIBUTES_BYTES || bytes.readUInt32LE(0) !== COMMON_ATTRIBUTES_BYTES)
    return undefined;
  const flags = bytes.readUInt32LE(20);
  return {
    createdNs: bytes.readBigInt64LE(4) * NS_PER_SECOND + bytes.readBigInt64LE(12),
    flags: flags & KEPT_FLAGS,
    isRemote: (flags & FLAG.dataless) !== 0,
  };
}
