/**
 * The last steps of a cleaner: new segments without the packs that go, then the packs.
 *
 * @module
 */
import { PACK_ROW_BYTES } from "../chunk-index/entry.ts";
import { readersOf } from "../chunk-index/index.ts";
import type { SegmentReader } from "../chunk-index/segment-reader.ts";
import { packName } from "../format/object-names.ts";
import type { Repository } from "../repository.ts";
import { STALE_LISTS_MS } from "../sessions/session-object.ts";
import type { Session } from "../sessions/session.ts";
import { compactIndex, smallSegments } from "./compact-index.ts";
import { loadIndex } from "./mark.ts";

/** Between two proofs that this session is still seen. */
const DELETIONS_PER_PROOF = 64;
const DELETIONS_AT_ONCE = 8;

export class Sweeper {
  readonly #repository: Repository;
  readonly #session: Session;
  readonly #step: (done: number, total: number) => Promise<void>;

  constructor(
    repository: Repository,
    session: Session,
    step: (done: number, total: number) => Promise<void>,
  ) {
    this.#repository = repository;
    this.#session = session;
    this.#step = step;
  }

  /** Writes segments without these packs, given in hex, and merges small ones. */
  async dropFromIndex(packs: ReadonlySet<string>): Promise<void> {
    const { keys, ports } = this.#repository;
    const { storage, randomness } = ports;
    // A fresh one: who ended since the first look may have adopted what goes.
    using loaded = await loadIndex(this.#repository);
    const readers = readersOf(loaded.snapshot);
    const isGoing = (hash: Buffer): boolean => packs.has(hash.toString("hex"));
    const naming = packs.size === 0 ? [] : readers.filter((reader) => namesAny(reader, isGoing));
    const inputs = [...new Set([...naming, ...smallSegments(readers)])];
    const { superseded, supersededSinceMs } = loaded;
    const isStale = !storage.capabilities.listConsistent;
    const agedMs = ports.clock.now() - (isStale ? STALE_LISTS_MS : 0);
    if (inputs.length > 0) {
      const { deleted } = await compactIndex(inputs, {
        storage,
        keys,
        randomness,
        session: this.#session,
        superseded,
        dropPack: isGoing,
        keepInputs: isStale,
      });
      if (deleted.length > 0) return;
    }
    await this.#deleteAll(
      superseded.filter((name) => !isStale || (supersededSinceMs.get(name) ?? agedMs) < agedMs),
    );
  }

  /** @param lengthOf undefined when unknown. */
  async deletePacks(
    packs: readonly string[],
    lengthOf: (hex: string) => number | undefined,
  ): Promise<number> {
    let bytes = 0;
    for (const hex of packs) {
      bytes +=
        lengthOf(hex) ??
        (await this.#repository.ports.storage.stat(packName(Buffer.from(hex, "hex"))))?.size ??
        0;
    }
    await this.#deleteAll(packs.map((hex) => packName(Buffer.from(hex, "hex"))));
    return bytes;
  }

  async #deleteAll(names: readonly string[]): Promise<void> {
    const { storage } = this.#repository.ports;
    for (let from = 0; from < names.length; from += DELETIONS_PER_PROOF) {
      await this.#step(from, names.length);
      await this.#session.prove();
      const queue = names.slice(from, from + DELETIONS_PER_PROOF).toReversed();
      const work = async (): Promise<void> => {
        for (let name = queue.pop(); name !== undefined; name = queue.pop()) await storage.delete(name);
      };
      // All of them have ended before anybody goes on, or gives up.
      const results = await Promise.allSettled(Array.from({ length: DELETIONS_AT_ONCE }, work));
      for (const result of results) if (result.status === "rejected") throw result.reason;
    }
  }
}

function namesAny(reader: SegmentReader, isGoing: (hash: Buffer) => boolean): boolean {
  for (const rows of reader.iteratePacks()) {
    for (let at = 0; at < rows.length; at += PACK_ROW_BYTES) {
      if (isGoing(rows.subarray(at, at + 32))) return true;
    }
  }
  return false;
}
