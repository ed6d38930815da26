/**
 * Alternate data streams: WIN32_FIND_STREAM_DATA of FindFirstStreamW (fileapi.h), i64 size and 296 UTF-16 units of name.
 *
 * @module
 */
export const STREAM_DATA_BYTES = 8 + 296 * 2;
const NAME_UNITS_MAX = 255;
const TYPE = ":$DATA";

export interface StreamInfo {
  /** Without colons and type: `Zone.Identifier`. */
  readonly name: string;
  readonly size: bigint;
}

/** Undefined for the file's own content, and for what is no data. */
export function decodeStreamData(bytes: Buffer): StreamInfo | undefined {
  const units = bytes.toString("utf16le", 8, STREAM_DATA_BYTES);
  const end = units.indexOf("\0");
  const full = end < 0 ? units : units.slice(0, end);
  if (!full.startsWith(":") || !full.endsWith(TYPE)) return undefined;
  const name = full.slice(1, -TYPE.length);
  return name === "" ? undefined : { name, size: bytes.readBigInt64LE(0) };
}

/** Whether a name from a copy names one stream of the file, and nothing else. */
export function isStreamName(name: string): boolean {
  return name !== "" && name.length <= NAME_UNITS_MAX && !/[\\/:\0\u{fffd}]/u.test(name);
}
