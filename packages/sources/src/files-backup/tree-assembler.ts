/**
 * Puts the copy's tree together in the main thread, from the answers of the workers in order.
 *
 * @module
 */
import {
  ContentListBuilder,
  type IdOf,
  type RecordSink,
  TreeWriter,
  type WrittenTree,
} from "@holdfast/repository";
import { BlockWriter, type BlockTarget } from "./change-cache/block-writer.ts";
import { segmentsOf } from "./flat-segments.ts";
import type { LargeFilePieces } from "./large-file-pieces.ts";
import type { CacheBlock, WarningRecord } from "./messages.ts";
import { childPath, toBytes } from "./path-text.ts";
import { SectionBatch } from "./section-batch.ts";
import { changedWhileRead } from "./source-warnings.ts";
import type { DoneEntries, DoneFile } from "./task-list.ts";

export interface TreeAssemblerOptions {
  readonly sink: RecordSink;
  readonly idOf: IdOf;
  readonly cache: BlockTarget | undefined;
  readonly warn: (warning: WarningRecord) => void;
}

export class TreeAssembler {
  readonly #options: TreeAssemblerOptions;
  readonly #tree: TreeWriter;
  readonly #cache: BlockWriter | undefined;
  readonly #blocks: CacheBlock[] = [];
  readonly #contents = new Map<LargeFilePieces, LargeContent>();
  readonly #batch = new SectionBatch();

  constructor(options: TreeAssemblerOptions) {
    this.#options = options;
    this.#tree = new TreeWriter(options.sink, options.idOf);
    if (options.cache !== undefined) {
      this.#cache = new BlockWriter(options.cache, (block) => {
        this.#blocks.push(block);
      });
    }
  }

  /** Blocks of the change cache in the order of the tree. */
  get cacheBlocks(): readonly CacheBlock[] {
    return this.#blocks;
  }

  add(done: DoneEntries | DoneFile): void {
    if (done.kind === "entries") this.#addEntries(done);
    else this.#addFile(done.pieces);
  }

  /** Takes over the pieces of a large file that are there, whether or not it is the file's turn. */
  collect(pieces: LargeFilePieces): void {
    let content = this.#contents.get(pieces);
    if (content === undefined) {
      content = new LargeContent(new ContentListBuilder(this.#options.sink, this.#options.idOf));
      this.#contents.set(pieces, content);
    }
    for (let piece = pieces.take(); piece !== undefined; piece = pieces.take()) content.add(piece);
  }

  finish(): WrittenTree {
    return this.#tree.finish();
  }

  #addEntries({ batch, from, steps }: DoneEntries): void {
    let at = from;
    for (const step of steps) {
      if (step.kind === "cache") {
        this.#blocks.push(step.block);
        continue;
      }
      this.#tree.append(toBytes(step.directory), batch, at, step.to);
      at = step.to;
    }
  }

  #addFile(pieces: LargeFilePieces): void {
    this.collect(pieces);
    const content = this.#contents.get(pieces);
    this.#contents.delete(pieces);
    const { directory, name, entry, stamp } = pieces.file;
    if (content === undefined || pieces.warning !== undefined) {
      if (pieces.warning !== undefined) this.#options.warn(pieces.warning);
      return;
    }
    const { size } = content.builder;
    const changed = pieces.changed || size !== entry.size;
    if (changed && !entry.changedWhileRead) this.#options.warn(changedWhileRead(childPath(directory, name)));
    const bytes = toBytes(name);
    const whole = {
      ...entry,
      name: bytes,
      size,
      changedWhileRead: changed,
      content: content.builder.finish(),
    };
    this.#batch.add(whole);
    this.#cache?.add(directory, bytes, stamp, this.#batch.lastEntry(), this.#batch.lastRefs());
    this.#cache?.flush();
    this.#tree.append(toBytes(directory), this.#batch.take());
  }
}

/** Content of a large file as far as its pieces have come. */
class LargeContent {
  readonly builder: ContentListBuilder;
  /** Bytes that the pieces before this one should have had, but did not: the file was cut off meanwhile. */
  #missing = 0;
  /** A hole or zeros that may go on in the next piece. */

  constructor(builder: ContentListBuilder) {
    this.builder = builder;
  }

  add(piece: { readonly content: Parameters<typeof segmentsOf>[0]; readonly length: number }): void {
    let size = 0;
    for (const segment of segmentsOf(piece.content)) {
      // The file has grown again: what comes stays where it was.
      if (this.#missing > 0) this.builder.push({ kind: "hole", length: this.#missing });
      this.#missing = 0;
      this.builder.push(segment);
      size += segment.length;
    }
    this.#missing += piece.length - size;
  }
}
