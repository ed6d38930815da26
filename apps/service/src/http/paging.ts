/**
 * Pages by keys: the cursor is the sort key of the page's last row, so that rows which come and go meanwhile neither repeat
 * nor hide others.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Page } from "@holdfast/protocol";

/** @param rows one more than the limit, if there are so many. */
export function nextPage<T>(rows: readonly T[], limit: number, keyOf: (row: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  if (rows.length <= limit || last === undefined) return { items };
  return { items, next: Buffer.from(keyOf(last), "utf8").toString("base64url") };
}

/** The key after which the page begins. @throws AppError `ERR_USAGE`. */
export function startAfter(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  // What is no UTF-8, and U+0000, is in no key: PostgreSQL would fail at it.
  const isGiven = Buffer.from(text, "utf8").toString("base64url") === cursor && !text.includes("\0");
  if (cursor !== "" && isGiven) return text;
  throw foreignCursor();
}

/** The same for keys that are numbers. */
export function startAfterNumber(cursor: string | undefined): number | undefined {
  const text = startAfter(cursor);
  return text === undefined ? undefined : numberOfKey(text);
}

/** A number that is a part of a key. @throws AppError `ERR_USAGE`. */
export function numberOfKey(text: string): number {
  const number = Number(text);
  if (text !== "" && Number.isSafeInteger(number)) return number;
  throw foreignCursor();
}

function foreignCursor(): AppError {
  return new AppError("ERR_USAGE", "The cursor is not one that this list has given.", {
    subject: "cursor",
    remedy: "Begin the list anew, without a cursor.",
  });
}
