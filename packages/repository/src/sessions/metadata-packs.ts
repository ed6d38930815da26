/**
 * Fills and stores the packs that the main thread makes itself: pages, nodes, lists.
 *
 * @module
 */
import type { FinishedPack } from "../packs/pack-builder.ts";
import { newPackRegion, PackBuilder, type PackOwner, type PackRegion } from "../packs/pack-builder.ts";
import { newDirectoryEntry } from "../packs/directory-entry.ts";
import { PACK_KINDS } from "../packs/pack-format.ts";
import { FRAME_BYTES_FILES, type RecordSealer } from "../packs/record-sealer.ts";

export interface MetadataPacksOptions {
  readonly owner: PackOwner;
  readonly envelope: Buffer;
  readonly sealer: RecordSealer;
  readonly store: (pack: FinishedPack) => Promise<void>;
  /** Smaller packs, for tests. */
  readonly packBytesAim?: number;
}

export class MetadataPacks {
  readonly #options: MetadataPacksOptions;
  readonly #free: PackRegion[] = [];
  readonly #storing = new Set<Promise<void>>();
  #open: { readonly region: PackRegion; readonly builder: PackBuilder } | undefined;
  #failure: Error | undefined;

  constructor(options: MetadataPacksOptions) {
    this.#options = options;
  }

  /** Seals a record into the open pack. Synchronous; what became full is stored in the background: see {@link settle}. */
  append(type: number, id: Buffer, plaintext: Uint8Array, refs: Buffer): void {
    const record = this.#options.sealer.seal({ type, id, plaintext, frameSize: FRAME_BYTES_FILES, refs });
    if (this.#open !== undefined && !this.#open.builder.fits(record.body.length, 1)) this.#close(false);
    this.#open ??= this.#begin();
    this.#open.builder.append(record, newDirectoryEntry(id, type, plaintext.length));
  }

  /** Waits until at most `inFlight` packs are being stored. @throws what storing threw. */
  async settle(inFlight: number): Promise<void> {
    while (this.#storing.size > inFlight) await Promise.race(this.#storing);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stores what is left. @throws what storing threw. */
  async finish(): Promise<void> {
    if (this.#open !== undefined) this.#close(true);
    await this.settle(0);
  }

  #begin(): { readonly region: PackRegion; readonly builder: PackBuilder } {
    const region = this.#free.pop() ?? newPackRegion(this.#options.packBytesAim);
    const builder = new PackBuilder(region, this.#options.owner);
    builder.begin(PACK_KINDS.metadata, [this.#options.envelope]);
    return { region, builder };
  }

  #close(last: boolean): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const storing = this.#store(open.builder.finish(last), open.region).finally(() =>
      this.#storing.delete(storing),
    );
    this.#storing.add(storing);
  }

  /** Never rejects: a failure is kept for {@link settle}. */
  async #store(pack: FinishedPack, region: PackRegion): Promise<void> {
    try {
      await this.#options.store(pack);
      this.#free.push(region);
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}
