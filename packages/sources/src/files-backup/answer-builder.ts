/**
 * Puts the answer to one task together: encoded entries, the steps between them, rows for the next change cache.
 *
 * @module
 */
import type { Entry } from "@holdfast/repository";
import type { BlockWriter } from "./change-cache/block-writer.ts";
import { type CachedRow, entryOf, fileBytesOfRow, refsOf } from "./change-cache/rows.ts";
import type { Stamp } from "./change-cache/stamp.ts";
import type { CacheBlock, DirectoryRun, LargeFile, Step, WalkedMessage, WarningRecord } from "./messages.ts";
import type { PathText } from "./path-text.ts";
import { SectionBatch } from "./section-batch.ts";

export class AnswerBuilder {
  readonly #batch = new SectionBatch();
  readonly #cache: BlockWriter | undefined;
  #steps: Step[] = [];
  #warnings: WarningRecord[] = [];
  #directory: PathText = "";
  #sectionFrom = 0;

  /** @param newCache makes the writer of the change cache, given what is to be called for each block. */
  constructor(newCache: ((written: (block: CacheBlock) => void) => BlockWriter) | undefined) {
    this.#cache = newCache?.((block) => {
      this.#steps.push({ kind: "cache", block });
    });
  }

  /** Entries and bytes so far: what the size of a task is measured by. */
  get count(): number {
    return this.#batch.count;
  }

  get length(): number {
    return this.#batch.length;
  }

  entry(directory: PathText, entry: Entry, stamp: Stamp): void {
    this.#enter(directory);
    this.#batch.add(entry);
    this.#cache?.add(directory, entry.name, stamp, this.#batch.lastEntry(), this.#batch.lastRefs());
  }

  /** An entry that is as it was in the last backup. */
  cached(directory: PathText, name: Buffer, row: CachedRow): void {
    this.#enter(directory);
    this.#batch.addEncoded(entryOf(row), refsOf(row), fileBytesOfRow(row));
    this.#cache?.copy(directory, name, row);
  }

  /** A file that the main thread puts together; its row of the cache is written there. */
  largeFile(file: LargeFile): void {
    this.#interrupt();
    this.#steps.push({ kind: "file", file });
  }

  run(run: DirectoryRun): void {
    this.#interrupt();
    this.#steps.push({ kind: "run", run });
  }

  rest(step: Extract<Step, { readonly kind: "rest" }>): void {
    this.#interrupt();
    this.#steps.push(step);
  }

  warn(warning: WarningRecord): void {
    this.#warnings.push(warning);
  }

  /** The answer, and what to transfer with it. The builder is then empty again. */
  take(id: number): { readonly message: WalkedMessage; readonly transfer: ArrayBuffer[] } {
    this.#interrupt();
    const { buffers, ...batch } = this.#batch.take();
    const message: WalkedMessage = {
      kind: "walked",
      id,
      batch,
      steps: this.#steps,
      warnings: this.#warnings,
    };
    this.#steps = [];
    this.#warnings = [];
    this.#sectionFrom = 0;
    return { message, transfer: buffers };
  }

  #enter(directory: PathText): void {
    if (directory === this.#directory) return;
    this.#endSection();
    this.#directory = directory;
  }

  #endSection(): void {
    const to = this.#batch.count;
    if (to > this.#sectionFrom) this.#steps.push({ kind: "section", directory: this.#directory, to });
    this.#sectionFrom = to;
  }

  /** Before something of another thread comes next in the tree. */
  #interrupt(): void {
    this.#endSection();
    this.#cache?.flush();
  }
}
