/**
 * Packs that several threads fill together, in shared memory.
 *
 * A worker seals a record in memory of its own and appends it to the open pack under a lock (one copy of about a
 * megabyte). Who finds the pack full opens the next free slot, completes the full one outside the lock and hands it to
 * the main thread by one message; the main thread stores it and releases the slot. Workers wait when every slot is being
 * stored: this bounds the memory and is the only back-pressure there is. The main thread never waits here.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Randomness } from "@holdfast/kernel";
import { type FinishedPack, PACK_REGION_BYTES, PackBuilder } from "./pack-builder.ts";
import { PACK_KINDS } from "./pack-format.ts";
import type { SealedRecord } from "./record-sealer.ts";

const PAGE = 65_536;
const CONTROL_BYTES = PAGE;
const SLOT_BYTES = Math.ceil(PACK_REGION_BYTES / PAGE) * PAGE;
const SLOTS_MAX = 16;

/** Words of the control page. */
const LOCK = 0;
const OPEN_SLOT = 1;
const COUNTER = 2;
const RELEASES = 3;
const FAILED = 4;
/** Per slot: state, generation, then the two words of the pack builder. */
const SLOT_WORDS = 16;
const WORDS_PER_SLOT = 4;

const FREE = 0;
const BUSY = 1;
const NO_SLOT = -1;
/** Counters are 32 bits: 4 billion records, some petabytes, in one session. */
const COUNTER_MAX = 0xffff_fff0;

/** Shared memory of an arena: this is what is posted to worker threads. */
export interface ArenaMemory {
  readonly memory: WebAssembly.Memory;
  readonly slots: number;
}

export interface ArenaOwner {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
  readonly envelope: Buffer;
  readonly randomness?: Randomness;
}

/** A full pack in a slot, as posted to the main thread. */
export interface SealedSlot {
  readonly slot: number;
  readonly kind: number;
  readonly length: number;
  readonly directoryOffset: number;
  readonly directoryLength: number;
  readonly sha256: Uint8Array;
}

/** WebAssembly memory, because its pages are aligned for direct I/O. */
export function newArenaMemory(slots: number): ArenaMemory {
  assert(slots >= 2 && slots <= SLOTS_MAX);
  const pages = (CONTROL_BYTES + slots * SLOT_BYTES) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  new Int32Array(memory.buffer, 0, 8)[OPEN_SLOT] = NO_SLOT;
  return { memory, slots };
}

export class PackArena {
  readonly #words: Int32Array;
  readonly #builders: PackBuilder[];
  readonly #regions: Buffer[];
  readonly #generations: Int32Array;
  readonly #owner: ArenaOwner;
  readonly #slots: number;
  readonly #post: (sealed: SealedSlot) => void;

  /** @param post called by the thread that completed a pack. */
  constructor(arena: ArenaMemory, owner: ArenaOwner, post: (sealed: SealedSlot) => void) {
    const { buffer } = arena.memory;
    this.#words = new Int32Array(buffer, 0, CONTROL_BYTES / 4);
    this.#owner = owner;
    this.#slots = arena.slots;
    this.#post = post;
    this.#generations = new Int32Array(arena.slots);
    this.#regions = Array.from({ length: arena.slots }, (_, slot) =>
      Buffer.from(buffer, CONTROL_BYTES + slot * SLOT_BYTES, PACK_REGION_BYTES),
    );
    this.#builders = this.#regions.map((bytes, slot) => {
      const state = this.#words.subarray(this.#word(slot, 2), this.#word(slot, 4));
      return new PackBuilder({ bytes, state }, owner);
    });
  }

  /** The next record counter of the session, unique across threads. */
  readonly nextCounter = (): number => {
    const counter = Atomics.add(this.#words, COUNTER, 1) >>> 0;
    assert(counter < COUNTER_MAX, "a session has too many records");
    return counter;
  };

  /** Blocks while no slot is free; for worker threads. Throws when {@link fail} was called. */
  append(record: SealedRecord, entries: Uint8Array): void {
    this.#lock();
    let full: number | undefined;
    try {
      full = this.#makeRoom(record.body.length, entries.length / 48);
      const slot = Atomics.load(this.#words, OPEN_SLOT);
      this.#builder(slot).append(record, entries);
    } finally {
      this.#unlock();
    }
    if (full !== undefined) this.#complete(full, false);
  }

  /** Completes the open pack, if any: at the end of the session, or to make an index of what is there. */
  flush(last: boolean): void {
    this.#lock();
    const slot = Atomics.load(this.#words, OPEN_SLOT);
    Atomics.store(this.#words, OPEN_SLOT, NO_SLOT);
    this.#unlock();
    if (slot !== NO_SLOT) this.#complete(slot, last);
  }

  /** The bytes of a sealed slot. */
  view(sealed: SealedSlot): FinishedPack {
    const region = this.#regions[sealed.slot];
    assert(region !== undefined);
    return {
      kind: sealed.kind,
      sha256: Buffer.from(sealed.sha256),
      bytes: region.subarray(0, sealed.length),
      directory: region.subarray(sealed.directoryOffset, sealed.directoryOffset + sealed.directoryLength),
    };
  }

  /** Gives a stored slot back to the workers. */
  release(slot: number): void {
    Atomics.store(this.#words, this.#word(slot, 0), FREE);
    Atomics.add(this.#words, RELEASES, 1);
    Atomics.notify(this.#words, RELEASES);
  }

  /** Makes every waiting and later {@link append} throw: the session has failed. */
  fail(): void {
    Atomics.store(this.#words, FAILED, 1);
    Atomics.add(this.#words, RELEASES, 1);
    Atomics.notify(this.#words, RELEASES);
  }

  get hasFailed(): boolean {
    return Atomics.load(this.#words, FAILED) !== 0;
  }

  /** With the lock held; returns a slot that became full and must be completed. */
  #makeRoom(bodyLength: number, entries: number): number | undefined {
    const open = Atomics.load(this.#words, OPEN_SLOT);
    if (open !== NO_SLOT && this.#builder(open).fits(bodyLength, entries)) return undefined;
    const next = this.#takeFreeSlot();
    this.#builder(next).begin(PACK_KINDS.data, [this.#owner.envelope]);
    Atomics.store(this.#words, OPEN_SLOT, next);
    return open === NO_SLOT ? undefined : open;
  }

  #takeFreeSlot(): number {
    for (;;) {
      const releases = Atomics.load(this.#words, RELEASES);
      if (this.hasFailed) throw new Error("the backup session has failed");
      for (let slot = 0; slot < this.#slots; slot += 1) {
        if (Atomics.compareExchange(this.#words, this.#word(slot, 0), FREE, BUSY) === FREE) {
          Atomics.add(this.#words, this.#word(slot, 1), 1);
          return slot;
        }
      }
      Atomics.wait(this.#words, RELEASES, releases);
    }
  }

  #complete(slot: number, last: boolean): void {
    const { kind, sha256, bytes, directory } = this.#builder(slot).finish(last);
    const region = this.#regions[slot];
    assert(region !== undefined);
    this.#post({
      slot,
      kind,
      length: bytes.length,
      directoryOffset: directory.byteOffset - region.byteOffset,
      directoryLength: directory.length,
      sha256,
    });
  }

  /** The builder of a slot, with the key of its present pack. */
  #builder(slot: number): PackBuilder {
    const builder = this.#builders[slot];
    assert(builder !== undefined);
    const generation = Atomics.load(this.#words, this.#word(slot, 1));
    if (this.#generations[slot] !== generation) {
      this.#generations[slot] = generation;
      builder.refresh();
    }
    return builder;
  }

  #word(slot: number, field: number): number {
    return SLOT_WORDS + slot * WORDS_PER_SLOT + field;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) Atomics.wait(this.#words, LOCK, 1, 50);
  }

  #unlock(): void {
    Atomics.store(this.#words, LOCK, 0);
    Atomics.notify(this.#words, LOCK, 1);
  }
}
