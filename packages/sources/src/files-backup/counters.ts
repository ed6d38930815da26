/**
 * What has been done so far, counted by each thread for itself in shared memory: the main thread adds it up.
 *
 * @module
 */
const FIELDS = [
  "filesNew",
  "filesChanged",
  "filesUnchanged",
  "directories",
  "others",
  "bytesDone",
  "bytesRead",
  "bytesAdded",
] as const;

/** `bytesDone` are those of all files that are done, unchanged ones included. */
export type Counts = Readonly<Record<(typeof FIELDS)[number], number>>;

/** A cache line or two a thread. */
const STRIDE = 16;

export function newCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * STRIDE * 8);
}

/** The counters of one thread, by their number in {@link FIELDS}. */
export class ThreadCounters {
  readonly #values: Float64Array;

  constructor(shared: SharedArrayBuffer, thread: number) {
    this.#values = new Float64Array(shared, thread * STRIDE * 8, STRIDE);
  }

  add(field: keyof Counts, value: number): void {
    const index = FIELDS.indexOf(field);
    this.#values[index] = (this.#values[index] ?? 0) + value;
  }

  set(field: keyof Counts, value: number): void {
    this.#values[FIELDS.indexOf(field)] = value;
  }
}

/** The sum over all threads. */
export function sumCounters(shared: SharedArrayBuffer): Counts {
  const values = new Float64Array(shared);
  const sum = (field: keyof Counts): number => {
    let total = 0;
    for (let at = FIELDS.indexOf(field); at < values.length; at += STRIDE) total += values[at] ?? 0;
    return total;
  };
  return {
    filesNew: sum("filesNew"),
    filesChanged: sum("filesChanged"),
    filesUnchanged: sum("filesUnchanged"),
    directories: sum("directories"),
    others: sum("others"),
    bytesDone: sum("bytesDone"),
    bytesRead: sum("bytesRead"),
    bytesAdded: sum("bytesAdded"),
  };
}
