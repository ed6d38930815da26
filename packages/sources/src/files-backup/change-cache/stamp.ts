/**
 * What must be equal for an entry to count as unchanged since the last backup, as the file system has it: eleven words that
 * are compared and copied without making a number or an object of any of them.
 *
 * Words: inode (2), size (2), modification time (seconds 2, nanoseconds 1), change time (3), tag. The tag is a digest of
 * what the entry says besides and what can change without touching the inode: the names of its owner and group, and
 * its device where that stands in the entry.
 *
 * @module
 */
export const STAMP_WORDS = 11;
export const STAMP_BYTES = STAMP_WORDS * 4;
const TAG = 10;
const MTIME = 4;
const CTIME = 7;
const TWO_32 = 0x1_0000_0000;

/** Made by {@link EntryLooker}. */
export type Stamp = Int32Array<ArrayBuffer>;

export function newStamp(): Stamp {
  return new Int32Array(STAMP_WORDS);
}

/** Whether two looks at a file saw the same content; the tag does not matter. */
export function isSameContent(one: Stamp, other: Stamp): boolean {
  for (let word = 0; word < TAG; word += 1) if (one[word] !== other[word]) return false;
  return true;
}

/** Whether the stamp in a row is this one. */
export function equalsStamp(row: DataView, at: number, stamp: Stamp): boolean {
  for (let word = 0; word < STAMP_WORDS; word += 1) {
    if (row.getInt32(at + word * 4, true) !== stamp[word]) return false;
  }
  return true;
}

/**
 * Whether content and metadata changed last before `seconds` (since 1970).
 *
 * An entry that changed while the last backup ran, or in the step of the clock in which it began, may have changed again
 * without a trace.
 */
export function cameToRestBefore(stamp: Stamp, seconds: number): boolean {
  return secondsAt(stamp, MTIME) < seconds && secondsAt(stamp, CTIME) < seconds;
}

function secondsAt(stamp: Stamp, word: number): number {
  const low = (stamp[word] ?? 0) >>> 0;
  return (stamp[word + 1] ?? 0) * TWO_32 + low + (stamp[word + 2] ?? 0) / 1e9;
}
