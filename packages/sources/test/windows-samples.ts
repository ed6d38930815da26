/** Structures of Windows put together as [MS-DTYP], [MS-FSCC] and fileapi.h describe them. */

export function sid(authority: number, ...parts: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + parts.length * 4);
  bytes[0] = 1;
  bytes[1] = parts.length;
  bytes.writeUIntBE(authority, 2, 6);
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + index * 4);
  return bytes;
}

/** A list that allows one account everything: ACCESS_ALLOWED_ACE. */
export function acl(account: Buffer): Buffer {
  const ace = Buffer.alloc(8 + account.length);
  ace.writeUInt16LE(ace.length, 2);
  ace.writeUInt32LE(0x001f_01ff, 4);
  account.copy(ace, 8);
  const head = Buffer.alloc(8);
  head[0] = 2;
  head.writeUInt16LE(8 + ace.length, 2);
  head.writeUInt16LE(1, 4);
  return Buffer.concat([head, ace]);
}

export function descriptor(parts: {
  readonly owner?: Buffer;
  readonly group?: Buffer;
  readonly dacl?: Buffer;
  readonly control: number;
}): Buffer {
  const head = Buffer.alloc(20);
  head[0] = 1;
  head.writeUInt16LE(parts.control, 2);
  const pieces: Buffer[] = [head];
  let at = head.length;
  for (const [field, piece] of [
    [4, parts.owner],
    [8, parts.group],
    [16, parts.dacl],
  ] as const) {
    if (piece === undefined) continue;
    head.writeUInt32LE(at, field);
    pieces.push(piece);
    at += piece.length;
  }
  return Buffer.concat(pieces);
}

/** WIN32_FIND_STREAM_DATA. */
export function streamData(name: string, size: bigint): Buffer {
  const bytes = Buffer.alloc(8 + 296 * 2);
  bytes.writeBigInt64LE(size, 0);
  bytes.write(name, 8, "utf16le");
  return bytes;
}

/** WIN32_FILE_ATTRIBUTE_DATA. */
export function attributeData(bits: number, createdTicks = 0n): Buffer {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(bits, 0);
  bytes.writeBigUInt64LE(createdTicks, 4);
  return bytes;
}

export function symlinkPoint(): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(0xa000_000c, 0);
  return bytes;
}

export function junctionPoint(target: string): Buffer {
  const name = Buffer.from(target, "utf16le");
  const head = Buffer.alloc(16);
  head.writeUInt32LE(0xa000_0003, 0);
  head.writeUInt16LE(8 + name.length, 4);
  head.writeUInt16LE(name.length, 10);
  return Buffer.concat([head, name]);
}
