/**
 * Reads the content of one file that is open, by whichever way its size asks for.
 *
 * @module
 */
import { readSync } from "node:fs";
import { type Content, ENTRY_LIMITS, ENTRY_SEGMENTS } from "@holdfast/repository";
import type { ContentStore } from "./content-store.ts";
import { type FlatSegments, SegmentCollector } from "./flat-segments.ts";
import type { PieceReader } from "./piece-reader.ts";

/** From this size on, a file is cut by its content; below, it is one chunk in a bundle. */
export const CHUNKED_BYTES_MIN = 128 * 1024;

/** Content that was read, or, with more segments than an entry holds, what it consists of. */
export interface ReadContent {
  readonly size: number;
  readonly content: Content | undefined;
  readonly segments: FlatSegments | undefined;
}

export class FileContentReader {
  readonly #store: ContentStore;
  readonly #pieces: PieceReader;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNKED_BYTES_MIN);
  readonly #segments = new SegmentCollector();

  constructor(store: ContentStore, pieces: PieceReader) {
    this.#store = store;
    this.#pieces = pieces;
  }

  /** Reads `size` bytes, or as many as there are. Throws what `node:fs` throws. */
  read(fd: number, size: number, sparse: boolean): ReadContent {
    if (size < CHUNKED_BYTES_MIN) return this.#readSmall(fd, size);
    const segments = this.#segments;
    segments.clear();
    const stretch = { offset: 0, length: size };
    this.#pieces.read(
      (target, offset) => readAll(fd, target, offset),
      stretch,
      sparse ? fd : undefined,
      segments,
    );
    if (segments.size === 0) return { size: 0, content: { form: "empty" }, segments: undefined };
    const { size: got } = segments;
    return segments.count <= ENTRY_SEGMENTS
      ? { size: got, content: { form: "segments", segments: segments.takeSegments() }, segments: undefined }
      : { size: got, content: undefined, segments: segments.take() };
  }

  #readSmall(fd: number, wanted: number): ReadContent {
    const size = readAll(fd, this.#buffer.subarray(0, wanted), 0);
    return { size, content: this.#contentOf(size), segments: undefined };
  }

  #contentOf(size: number): Content {
    if (size === 0) return { form: "empty" };
    const bytes = this.#buffer.subarray(0, size);
    // Valid until the next file: the entry is encoded before.
    if (size <= ENTRY_LIMITS.inlineBytes) return { form: "inline", bytes };
    return {
      form: "segments",
      segments: [{ kind: "data", length: size, id: this.#store.addToBundle(bytes) }],
    };
  }
}

function readAll(fd: number, target: Uint8Array, offset: number): number {
  let done = 0;
  while (done < target.length) {
    const got = readSync(fd, target, done, target.length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}
