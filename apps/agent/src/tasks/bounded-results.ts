/**
 * Results within the bounds of their schemas and of a frame.
 *
 * @module
 */
import { FRAME_BYTES_MAX } from "@holdfast/protocol";

const TEXT_MAX = 4096;
const TEXTS_MAX = 1000;
const TEXTS_BYTES_MAX = 128 * 1024;
/** Of a list in a result: what is around it has room, too. */
export const LIST_BYTES_MAX = FRAME_BYTES_MAX - 128 * 1024;

/** The first of them, as many as fit. */
export function boundedList<T>(
  items: readonly T[],
  countMax: number,
  bytesMax: number = LIST_BYTES_MAX,
): T[] {
  const kept: T[] = [];
  let bytes = 0;
  for (const item of items.slice(0, countMax)) {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > bytesMax) break;
    kept.push(item);
  }
  return kept;
}

/** Paths for the catalogue; the copy itself has all of them. */
export function boundedTexts(
  texts: readonly string[],
  textMax: number = TEXT_MAX,
  countMax: number = TEXTS_MAX,
): string[] {
  const short = texts.map((text) =>
    text.length > textMax ? `${text.slice(0, textMax - 1).toWellFormed()}…` : text,
  );
  return boundedList(short, countMax, TEXTS_BYTES_MAX);
}
