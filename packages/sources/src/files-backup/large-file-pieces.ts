/**
 * A large file while its pieces are read by several workers.
 *
 * @module
 */
import type { FlatSegments } from "./flat-segments.ts";
import type { LargeFile, PieceMessage, PieceTask, WarningRecord } from "./messages.ts";

/** Content is cut anew at these borders (docs/format.md, section 6), so that pieces do not depend on each other. */
const PIECE_BYTES = 128 * 1024 * 1024;
/** Pieces that are read ahead of the first one that is not done. */
const PIECES_AHEAD = 32;

export class LargeFilePieces {
  readonly file: LargeFile;
  readonly #count: number;
  readonly #numbers = new Map<number, number>();
  readonly #done = new Map<number, FlatSegments>();
  #begun = 0;
  #taken = 0;
  #changed = false;
  #warning: WarningRecord | undefined;

  constructor(file: LargeFile) {
    this.file = file;
    this.#count = file.content === undefined ? Math.ceil(file.entry.size / PIECE_BYTES) : 1;
    if (file.content !== undefined) {
      this.#done.set(0, file.content);
      this.#begun = 1;
    }
    this.#changed = file.entry.changedWhileRead;
  }

  /** Every piece has been read, or one could not be. */
  get isDone(): boolean {
    if (this.#numbers.size > 0) return false;
    return this.#warning !== undefined || this.#taken + this.#done.size === this.#count;
  }

  get changed(): boolean {
    return this.#changed;
  }

  /** Why the file cannot be kept. */
  get warning(): WarningRecord | undefined {
    return this.#warning;
  }

  /** The next piece that nobody reads yet. */
  begin(id: number): PieceTask | undefined {
    const number = this.#begun;
    if (this.#warning !== undefined || number >= this.#count || number - this.#taken >= PIECES_AHEAD)
      return undefined;
    this.#begun += 1;
    this.#numbers.set(id, number);
    const { directory, name, stamp, sparse, entry } = this.file;
    const offset = number * PIECE_BYTES;
    const length = Math.min(PIECE_BYTES, entry.size - offset);
    return { kind: "piece", id, directory, name, offset, length, stamp, sparse };
  }

  complete(message: PieceMessage): void {
    const number = this.#numbers.get(message.id) ?? 0;
    this.#numbers.delete(message.id);
    this.#changed ||= message.changed;
    if (message.content === undefined) this.#warning ??= message.warnings[0];
    else this.#done.set(number, message.content);
  }

  /** The next piece in order, with the bytes it should have had. */
  take(): { readonly content: FlatSegments; readonly length: number } | undefined {
    const content = this.#done.get(this.#taken);
    if (content === undefined) return undefined;
    this.#done.delete(this.#taken);
    const length = Math.min(PIECE_BYTES, this.file.entry.size - this.#taken * PIECE_BYTES);
    this.#taken += 1;
    return { content, length };
  }
}
