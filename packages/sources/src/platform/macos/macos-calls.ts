/**
 * What Node lacks of macOS, by path and never through a link. Results: a value or 0, or the negated error number.
 *
 * @module
 */
export interface MacosCalls {
  /** The answer of getattrlist(2) about creation time and flags. */
  readonly commonAttributes: (path: Buffer) => Buffer | number;
  readonly setFlags: (path: Buffer, flags: number) => number;
  readonly setCreated: (path: Buffer, timeNs: bigint) => number;
  /** Names, each with a NUL behind it. */
  readonly listXattrs: (path: Buffer) => Buffer | number;
  /** `EFBIG` for one that is larger than an entry of a copy takes. */
  readonly getXattr: (path: Buffer, name: Buffer) => Buffer | number;
  readonly setXattr: (path: Buffer, name: Buffer, value: Buffer) => number;
  /** As acl_to_text(3) writes it; empty when there is none. */
  readonly aclText: (path: Buffer) => string | number;
  readonly setAclText: (path: Buffer, text: string) => number;
}
