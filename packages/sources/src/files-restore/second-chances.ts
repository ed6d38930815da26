import type { DamagedEntry } from "./messages.ts";

/** Damaged entries that are kept to be tried again; more are not worth the memory. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;
const NOTICE_BYTES = 512;

/** Entries whose data could not be read, until they are tried with a second look at the repository. */
export class SecondChances {
  #entries: DamagedEntry[] = [];
  #bytes = 0;
  #isOver = false;

  /** False when the entry is not tried again: its notice is final. */
  add(entry: DamagedEntry): boolean {
    if (this.#isOver || this.#bytes >= KEPT_BYTES_MAX) return false;
    this.#bytes += entry.section.length + NOTICE_BYTES;
    this.#entries.push(entry);
    return true;
  }

  /** The entries to try again; from now on every notice is final. */
  take(): readonly Pick<DamagedEntry, "section">[] {
    this.#isOver = true;
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}
