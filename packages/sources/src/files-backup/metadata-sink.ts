/**
 * Takes pages, nodes and lists: what the repository does not have goes into metadata packs.
 *
 * @module
 */
import type { ClaimTable, MetadataPacks, RecordSink, WriteSession } from "@holdfast/repository";

export class MetadataSink implements RecordSink {
  readonly #session: WriteSession;
  readonly #claims: ClaimTable;
  readonly #packs: MetadataPacks;
  #bytesAdded = 0;

  constructor(session: WriteSession, claims: ClaimTable, packs: MetadataPacks) {
    this.#session = session;
    this.#claims = claims;
    this.#packs = packs;
  }

  /** Plaintext that was new. */
  get bytesAdded(): number {
    return this.#bytesAdded;
  }

  /** What this session has claimed already is on its way. */
  has(id: Buffer): boolean {
    return this.#session.index.has(id) || !this.#claims.claim(id);
  }

  store(type: number, id: Buffer, plaintext: Uint8Array, refs: Buffer): void {
    this.#bytesAdded += plaintext.length;
    this.#packs.append(type, id, plaintext, refs);
  }
}
