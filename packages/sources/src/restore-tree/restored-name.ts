/**
 * Names for `keep-both`: `report.pdf` becomes `report (restored 1).pdf`.
 *
 * @module
 */
const DOT = 0x2e;
/** NAME_MAX of Linux. */
const NAME_BYTES_MAX = 255;
/** A longer "extension" is part of the name: `v1.final version of the text`. */
const EXTENSION_BYTES_MAX = 16;

/** The n-th name beside `name`, at most 255 bytes long; the part before the extension is cut where needed. */
export function restoredName(name: Buffer, number: number): Buffer {
  const dot = name.lastIndexOf(DOT);
  const hasExtension = dot > 0 && dot < name.length - 1 && name.length - dot <= EXTENSION_BYTES_MAX;
  const split = hasExtension ? dot : name.length;
  const addition = Buffer.from(` (restored ${String(number)})`);
  const stemLength = Math.min(split, NAME_BYTES_MAX - addition.length - (name.length - split));
  return Buffer.concat([name.subarray(0, characterStart(name, stemLength)), addition, name.subarray(split)]);
}

/** Moves back to the start of a UTF-8 character, so that none is cut in two. */
function characterStart(name: Buffer, position: number): number {
  let start = position;
  while (start > 0 && position - start < 4 && ((name[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return start;
}
