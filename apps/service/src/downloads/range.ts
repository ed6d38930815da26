/**
 * Which part of a file is asked for (RFC 9110, section 14).
 *
 * @module
 */

export interface AskedRange {
  readonly from: number;
  /** Behind the last byte. */
  readonly to?: number;
}

/**
 * One range from a byte that is named. Anything else, such as several ranges or the last bytes of a file, is no part: then the whole is
 * answered, as the RFC allows.
 */
export function askedRange(range: string | undefined): AskedRange | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{1,15})-(\d{0,15})$/u.exec(range ?? "") ?? [];
  if (first === "") return undefined;
  const from = Number(first);
  if (last === "") return { from };
  const to = Number(last) + 1;
  return to > from ? { from, to } : undefined;
}
