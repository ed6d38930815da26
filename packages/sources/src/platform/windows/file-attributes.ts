/**
 * FILE_ATTRIBUTE_* of Windows ([MS-FSCC] 2.6) and the structure they come in, WIN32_FILE_ATTRIBUTE_DATA (fileapi.h).
 *
 * @module
 */
export const ATTRIBUTE = {
  readOnly: 0x1,
  hidden: 0x2,
  system: 0x4,
  directory: 0x10,
  archive: 0x20,
  normal: 0x80,
  temporary: 0x100,
  sparse: 0x200,
  reparsePoint: 0x400,
  compressed: 0x800,
  offline: 0x1000,
  notIndexed: 0x2000,
  encrypted: 0x4000,
  recallOnOpen: 0x4_0000,
  pinned: 0x8_0000,
  unpinned: 0x10_0000,
  recallOnDataAccess: 0x40_0000,
} as const;

const { readOnly, hidden, system, archive, temporary, notIndexed, sparse, compressed, encrypted } = ATTRIBUTE;
/** What SetFileAttributesW can set. */
export const SETTABLE = readOnly | hidden | system | archive | temporary | notIndexed;
/** What a copy keeps: the others say where the content is, not what the file is like. */
export const KEPT = SETTABLE | sparse | compressed | encrypted;
/** Reading would fetch the content from elsewhere. */
export const REMOTE = ATTRIBUTE.offline | ATTRIBUTE.recallOnOpen | ATTRIBUTE.recallOnDataAccess;

export const ATTRIBUTE_DATA_BYTES = 36;

export interface AttributeData {
  readonly bits: number;
  /** Undefined where the file system keeps none. */
  readonly createdNs: bigint | undefined;
}

/** Decodes WIN32_FILE_ATTRIBUTE_DATA: u32 attributes, FILETIMEs of creation, access and writing, size high and low. */
export function decodeAttributeData(bytes: Buffer): AttributeData {
  const created = bytes.readBigUInt64LE(4);
  return { bits: bytes.readUInt32LE(0), createdNs: created === 0n ? undefined : fromFileTime(created) };
}

const TICKS_PER_SECOND = 10_000_000n;
const SECONDS_TO_1970 = 11_644_473_600n;
const NS_PER_TICK = 100n;

/** FILETIME: 100 ns since 1601. */
export function fromFileTime(ticks: bigint): bigint {
  return (ticks - SECONDS_TO_1970 * TICKS_PER_SECOND) * NS_PER_TICK;
}

/** Undefined for times that a FILETIME cannot have, or that mean something else to SetFileTime (0 and -1). */
export function toFileTime(timeNs: bigint): bigint | undefined {
  let ticks = timeNs / NS_PER_TICK;
  if (timeNs % NS_PER_TICK < 0n) ticks -= 1n;
  ticks += SECONDS_TO_1970 * TICKS_PER_SECOND;
  return ticks > 0n && ticks < 2n ** 63n ? ticks : undefined;
}
