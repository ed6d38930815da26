/**
 * Sorting of NUL-terminated names in one byte buffer, bytewise, without an object per name.
 *
 * A merge sort from the bottom up: its time does not depend on names that someone may have chosen to be slow.
 *
 * @module
 */
const RUN_LENGTH = 8;

/** Negative, zero or positive; names end at NUL, which sorts before every other byte. */
function compareNames(bytes: Uint8Array, left: number, right: number): number {
  let a = left;
  let b = right;
  for (;;) {
    const byte = bytes[a] ?? 0;
    const difference = byte - (bytes[b] ?? 0);
    if (difference !== 0 || byte === 0) return difference;
    a += 1;
    b += 1;
  }
}

/** The indexes of `offsets` (starts of names in `bytes`) in the order of their names; equal names stand once. */
export function sortNames(bytes: Uint8Array, offsets: Uint32Array): Uint32Array {
  const count = offsets.length;
  let from = new Uint32Array(count);
  for (let index = 0; index < count; index += 1) from[index] = index;
  sortRuns(bytes, offsets, from);
  if (count <= RUN_LENGTH) return withoutDuplicates(bytes, offsets, from);
  let to = new Uint32Array(count);
  for (let width = RUN_LENGTH; width < count; width *= 2) {
    for (let start = 0; start < count; start += 2 * width) {
      const middle = Math.min(start + width, count);
      mergeRuns(bytes, offsets, from, to, start, middle, Math.min(middle + width, count));
    }
    [from, to] = [to, from];
  }
  return withoutDuplicates(bytes, offsets, from);
}

/** Insertion sort within each run. */
function sortRuns(bytes: Uint8Array, offsets: Uint32Array, order: Uint32Array): void {
  for (let index = 1; index < order.length; index += 1) {
    const runStart = index - (index % RUN_LENGTH);
    const moved = order[index] ?? 0;
    const movedOffset = offsets[moved] ?? 0;
    let hole = index;
    while (hole > runStart) {
      const before = order[hole - 1] ?? 0;
      if (compareNames(bytes, offsets[before] ?? 0, movedOffset) <= 0) break;
      order[hole] = before;
      hole -= 1;
    }
    order[hole] = moved;
  }
}

function mergeRuns(
  bytes: Uint8Array,
  offsets: Uint32Array,
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  middle: number,
  end: number,
): void {
  let left = start;
  let right = middle;
  for (let out = start; out < end; out += 1) {
    const takeLeft =
      right >= end ||
      (left < middle &&
        compareNames(bytes, offsets[from[left] ?? 0] ?? 0, offsets[from[right] ?? 0] ?? 0) <= 0);
    to[out] = from[takeLeft ? left : right] ?? 0;
    if (takeLeft) left += 1;
    else right += 1;
  }
}

/** A directory that changes while it is read can show the same name twice. */
function withoutDuplicates(bytes: Uint8Array, offsets: Uint32Array, order: Uint32Array): Uint32Array {
  let kept = Math.min(1, order.length);
  for (let index = 1; index < order.length; index += 1) {
    const previous = offsets[order[kept - 1] ?? 0] ?? 0;
    const current = order[index] ?? 0;
    if (compareNames(bytes, previous, offsets[current] ?? 0) === 0) continue;
    order[kept] = current;
    kept += 1;
  }
  return kept === order.length ? order : order.slice(0, kept);
}
