/**
 * What copies need, after every needed chunk has got one place.
 *
 * @module
 */
import type { LoadedIndex } from "../chunk-index/index.ts";
import type { LiveIndex } from "./live-index.ts";

/** Dispose it when it is not used any more: that closes the files of the index. */
export class LiveChunks implements Disposable {
  readonly index: LiveIndex;
  readonly #loaded: LoadedIndex;
  readonly #liveBytes: Float64Array;
  readonly #totalBytes: Float64Array;

  /** @param liveBytes bytes of needed records by pack number, of a bundle only the needed share; `totalBytes` of all. */
  constructor(index: LiveIndex, loaded: LoadedIndex, liveBytes: Float64Array, totalBytes: Float64Array) {
    this.index = index;
    this.#loaded = loaded;
    this.#liveBytes = liveBytes;
    this.#totalBytes = totalBytes;
  }

  /** Roughly which part of a pack is needed; 0 exactly when nothing is. */
  shareOf(number: number): number {
    const live = this.#liveBytes[number] ?? 0;
    return live === 0 ? 0 : live / (this.#totalBytes[number] ?? live);
  }

  /** @param hex SHA-256 of a pack. */
  isPackNeeded(hex: string): boolean {
    const number = this.index.packs.numberOf(Buffer.from(hex, "hex"));
    return number !== undefined && this.shareOf(number) > 0;
  }

  /** Bytes of the pack's object; undefined when the index does not name it. */
  length(hex: string): number | undefined {
    const number = this.index.packs.numberOf(Buffer.from(hex, "hex"));
    return number === undefined ? undefined : this.index.packs.get(number).length;
  }

  lengthOf(packs: Iterable<string>): number {
    return [...packs].reduce((sum, hex) => sum + (this.length(hex) ?? 0), 0);
  }

  [Symbol.dispose](): void {
    this.#loaded[Symbol.dispose]();
  }
}
