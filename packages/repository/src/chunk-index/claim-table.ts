/**
 * Chunks that the running session has taken on itself to store, shared by its threads, so that none is stored twice.
 *
 * An open-addressing table of 16-byte id prefixes in shared memory, in stripes with a lock each. Two generations: when
 * the ids of the older one have come into the index, {@link ClaimTable.rotate} empties it for new claims. The table may forget (it is
 * full, rotated, or a thread died with a lock): a chunk is then stored twice, which is harmless. It never says that
 * an id is claimed which is not: 128 bits of it are compared.
 *
 * @module
 */
import assert from "node:assert/strict";

const PREFIX_WORDS = 4;
const STRIPES = 256;
const GENERATIONS = 2;
/** Beyond, probes get long; counted per stripe. */
const LOAD_MAX = 7 / 8;
/** Int32 words before the stripes. */
const HEADER_WORDS = 16;
const SLOTS_AT = 0;
/** Per stripe: lock, current generation, count of generation 0, count of generation 1. */
const STRIPE_WORDS = 4;
const SPINS_MAX = 2000;
/** The longest a live holder could plausibly be kept from running; beyond, it is taken for dead. */
const LOCK_TIMEOUT_MS = 1000;

export interface ClaimTableOptions {
  /** Ids that one generation holds, roughly; memory is 32 bytes a slot. Rounded up to a power of two. */
  readonly slots?: number;
}

export class ClaimTable {
  /** Post it to other threads, for {@link ClaimTable.attach}. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Slots of one stripe in one generation. */
  readonly #slots: number;

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
    this.#slots = this.#words[SLOTS_AT] ?? 0;
    assert(shared.byteLength === tableWords(this.#slots) * 4);
  }

  /** A new table, 16 MiB unless said otherwise. */
  static create(options: ClaimTableOptions = {}): ClaimTable {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(8, (options.slots ?? 524_288) / STRIPES)));
    const shared = new SharedArrayBuffer(tableWords(slots) * 4);
    new Int32Array(shared)[SLOTS_AT] = slots;
    return new ClaimTable(shared);
  }

  static attach(shared: SharedArrayBuffer): ClaimTable {
    return new ClaimTable(shared);
  }

  /** True when the caller is the first to claim the id at `offset`: it then stores the chunk. */
  claim(id: Uint8Array, offset = 0): boolean {
    const [w0, w1, w2, w3] = [
      word(id, offset),
      word(id, offset + 4),
      word(id, offset + 8),
      word(id, offset + 12),
    ];
    // Zeros mark a free slot; no real id looks like this.
    if ((w0 | w1 | w2 | w3) === 0) return true;
    const stripe = w0 & (STRIPES - 1);
    const lock = HEADER_WORDS + stripe * STRIPE_WORDS;
    if (!this.#lock(lock)) return true;
    try {
      const current = this.#words[lock + 1] ?? 0;
      if (this.#probe(stripe, 1 - current, w0, w1, w2, w3) < 0) return false;
      const free = this.#probe(stripe, current, w0, w1, w2, w3);
      if (free < 0) return false;
      const count = this.#words[lock + 2 + current] ?? 0;
      if (count >= this.#slots * LOAD_MAX) return true;
      this.#words[lock + 2 + current] = count + 1;
      this.#words[free] = w0;
      this.#words[free + 1] = w1;
      this.#words[free + 2] = w2;
      this.#words[free + 3] = w3;
      return true;
    } finally {
      this.#unlock(lock);
    }
  }

  /** Forgets the older generation and lets it take the new claims; what is current becomes the older one. */
  rotate(): void {
    for (let stripe = 0; stripe < STRIPES; stripe += 1) {
      const lock = HEADER_WORDS + stripe * STRIPE_WORDS;
      if (!this.#lock(lock)) continue;
      const older = 1 - (this.#words[lock + 1] ?? 0);
      const start = this.#stripeAt(stripe, older);
      this.#words.fill(0, start, start + this.#slots * PREFIX_WORDS);
      this.#words[lock + 2 + older] = 0;
      this.#words[lock + 1] = older;
      this.#unlock(lock);
    }
  }

  /** How full the fullest part of the current generation is, 0 to 1. At 1 claims begin to be forgotten. */
  load(): number {
    let most = 0;
    for (let stripe = 0; stripe < STRIPES; stripe += 1) {
      const lock = HEADER_WORDS + stripe * STRIPE_WORDS;
      const current = Atomics.load(this.#words, lock + 1);
      most = Math.max(most, Atomics.load(this.#words, lock + 2 + current));
    }
    return most / (this.#slots * LOAD_MAX);
  }

  #stripeAt(stripe: number, generation: number): number {
    const tables = HEADER_WORDS + STRIPES * STRIPE_WORDS;
    return tables + (generation * STRIPES + stripe) * this.#slots * PREFIX_WORDS;
  }

  /** -1 when the id is there, else the free slot where it would be. There always is one: see {@link LOAD_MAX}. */
  #probe(stripe: number, generation: number, w0: number, w1: number, w2: number, w3: number): number {
    const words = this.#words;
    const start = this.#stripeAt(stripe, generation);
    const mask = this.#slots - 1;
    for (let probe = 0, slot = (w0 >>> 8) & mask; probe <= mask; probe += 1, slot = (slot + 1) & mask) {
      const at = start + slot * PREFIX_WORDS;
      const first = words[at];
      if (first === w0 && words[at + 1] === w1 && words[at + 2] === w2 && words[at + 3] === w3) return -1;
      if (first === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0) return at;
    }
    throw new Error("a claim table has no free slot");
  }

  #lock(at: number): boolean {
    for (let spin = 0; spin < SPINS_MAX; spin += 1) {
      if (Atomics.compareExchange(this.#words, at, FREE, HELD) === FREE) return true;
    }
    // CONTENDED makes the holder wake one who waits.
    while (Atomics.exchange(this.#words, at, CONTENDED) !== FREE) {
      if (Atomics.wait(this.#words, at, CONTENDED, LOCK_TIMEOUT_MS) === "timed-out") return false;
    }
    return true;
  }

  #unlock(at: number): void {
    if (Atomics.exchange(this.#words, at, FREE) === CONTENDED) Atomics.notify(this.#words, at, 1);
  }
}

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

function tableWords(slots: number): number {
  return HEADER_WORDS + STRIPES * STRIPE_WORDS + GENERATIONS * STRIPES * slots * PREFIX_WORDS;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}
