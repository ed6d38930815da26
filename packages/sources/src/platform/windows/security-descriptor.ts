/**
 * Self-relative security descriptors ([MS-DTYP] 2.4.6): owner, group and access list of a file of Windows.
 *
 * A copy keeps the bytes as Windows gives them. What is restored comes from a copy and is hostile: it is looked through
 * before Windows gets it.
 *
 * @module
 */
const HEADER_BYTES = 20;
const ACL_HEADER_BYTES = 8;
const ACE_HEADER_BYTES = 4;
/** An access list has a length of 16 bits; owner and group are small. */
export const DESCRIPTOR_BYTES_MAX = 3 * 64 * 1024;
const SUB_AUTHORITIES_MAX = 15;

const CONTROL = { daclPresent: 0x0004, daclProtected: 0x1000, selfRelative: 0x8000 } as const;

/** SECURITY_INFORMATION ([MS-DTYP] 2.4.7). The list for audits takes a privilege and is not kept. */
export const SECURITY_INFORMATION = {
  owner: 0x1,
  group: 0x2,
  dacl: 0x4,
  protectedDacl: 0x8000_0000,
  unprotectedDacl: 0x2000_0000,
} as const;

export interface SecurityDescriptor {
  /** As text, such as `S-1-5-32-544`. */
  readonly owner: string | undefined;
  readonly group: string | undefined;
  /** Undefined when there is none; entries as text are not needed here. */
  readonly daclEntries: number | undefined;
  readonly isDaclProtected: boolean;
}

/** Undefined for bytes that are no whole, well-formed descriptor. */
export function parseSecurityDescriptor(bytes: Buffer): SecurityDescriptor | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > DESCRIPTOR_BYTES_MAX || bytes[0] !== 1) return undefined;
  const control = bytes.readUInt16LE(2);
  if ((control & CONTROL.selfRelative) === 0) return undefined;
  const owner = sidAt(bytes, bytes.readUInt32LE(4));
  const group = sidAt(bytes, bytes.readUInt32LE(8));
  const hasDacl = (control & CONTROL.daclPresent) !== 0;
  const daclEntries = hasDacl ? aclAt(bytes, bytes.readUInt32LE(16)) : undefined;
  if (owner === MALFORMED || group === MALFORMED || daclEntries === MALFORMED) return undefined;
  return { owner, group, daclEntries, isDaclProtected: (control & CONTROL.daclProtected) !== 0 };
}

/** What SetFileSecurityW is to take from a descriptor. Without a list there is nothing to set: it would open the file. */
export function informationToSet(descriptor: SecurityDescriptor): number {
  const { owner, group, daclEntries, isDaclProtected } = descriptor;
  let information = 0;
  if (owner !== undefined) information |= SECURITY_INFORMATION.owner;
  if (group !== undefined) information |= SECURITY_INFORMATION.group;
  return (daclEntries === undefined ? information : information | daclInformation(isDaclProtected)) >>> 0;
}

/** For whoever may not give files away. */
export function daclInformation(isProtected: boolean): number {
  const inherit = isProtected ? SECURITY_INFORMATION.protectedDacl : SECURITY_INFORMATION.unprotectedDacl;
  return (SECURITY_INFORMATION.dacl | inherit) >>> 0;
}

const MALFORMED = Symbol("malformed");

function sidAt(bytes: Buffer, offset: number): string | typeof MALFORMED | undefined {
  if (offset === 0) return undefined;
  const count = bytes[offset + 1];
  if (count === undefined || count > SUB_AUTHORITIES_MAX) return MALFORMED;
  if (bytes[offset] !== 1 || offset + 8 + count * 4 > bytes.length) return MALFORMED;
  const authority = bytes.readUIntBE(offset + 2, 6);
  const parts = Array.from({ length: count }, (_, index) => bytes.readUInt32LE(offset + 8 + index * 4));
  return ["S-1", authority, ...parts].join("-");
}

/** How many entries a list has; undefined for the list that is absent and lets everybody in. */
function aclAt(bytes: Buffer, offset: number): number | typeof MALFORMED | undefined {
  if (offset === 0) return undefined;
  if (offset + ACL_HEADER_BYTES > bytes.length) return MALFORMED;
  const end = offset + bytes.readUInt16LE(offset + 2);
  const count = bytes.readUInt16LE(offset + 4);
  if (end > bytes.length) return MALFORMED;
  let at = offset + ACL_HEADER_BYTES;
  for (let index = 0; index < count; index += 1) {
    if (at + ACE_HEADER_BYTES > end) return MALFORMED;
    const length = bytes.readUInt16LE(at + 2);
    if (length < ACE_HEADER_BYTES || at + length > end) return MALFORMED;
    at += length;
  }
  return count;
}
