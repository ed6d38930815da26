/**
 * The packs that repacking writes, and their index.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { SegmentBuilder } from "../chunk-index/index.ts";
import { hashedName, packName } from "../format/object-names.ts";
import type { FinishedPack } from "../packs/pack-builder.ts";
import type { Repository } from "../repository.ts";
import type { Session } from "../sessions/session.ts";
import type { TabledPack } from "./pack-table.ts";
import { type DirectoryRecord, Repacker } from "./repack.ts";

export class NewPacks {
  readonly #repository: Repository;
  readonly #session: Session;
  /** By pack kind. */
  readonly #repackers = new Map<number, Repacker>();
  readonly #segment = new SegmentBuilder();
  #bytes = 0;

  constructor(repository: Repository, session: Session) {
    this.#repository = repository;
    this.#session = session;
  }

  /** Copies the needed records of a pack. @throws as {@link Repacker.add}. */
  async copy(pack: TabledPack, bytes: Buffer, isNeeded: (record: DirectoryRecord) => boolean): Promise<void> {
    const { keys, ports } = this.#repository;
    const { randomness } = ports;
    const known = this.#repackers.get(pack.kind);
    const repacker =
      known ?? new Repacker(pack.kind, { keys, randomness, store: (finished) => this.#store(finished) });
    this.#repackers.set(pack.kind, repacker);
    await repacker.add(pack, bytes, isNeeded);
  }

  /** Stores what is left, then the index of all; returns the bytes of the new packs. */
  async finish(): Promise<number> {
    for (const repacker of this.#repackers.values()) await repacker.finish();
    await this.#storeSegment();
    return this.#bytes;
  }

  async #store(pack: FinishedPack): Promise<void> {
    await this.#session.keepAlive();
    const { storage } = this.#repository.ports;
    await storage.put(packName(pack.sha256), pack.bytes, { sha256: pack.sha256 });
    this.#bytes += pack.bytes.length;
    const indexed = { sha256: pack.sha256, length: pack.bytes.length, kind: pack.kind };
    if (this.#segment.addPack(indexed, pack.directory)) return;
    await this.#storeSegment();
    this.#segment.addPack(indexed, pack.directory);
  }

  async #storeSegment(): Promise<void> {
    if (this.#segment.packCount === 0) return;
    const { keys, ports } = this.#repository;
    const bytes = this.#segment.finish(keys, ports.randomness);
    await ports.storage.put(hashedName("index", sha256(bytes)), bytes);
  }
}
