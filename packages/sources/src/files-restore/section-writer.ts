import { ByteReader, ByteWriter } from "@holdfast/kernel";
import { decodeEntry, encodeEntry, type Entry } from "@holdfast/repository";

/** Collects entries of folders for one task; see {@link EntriesTask}. */
export class SectionWriter {
  readonly #sections = new ByteWriter(64 * 1024);
  readonly #entries = new ByteWriter(64 * 1024);
  #folder: Buffer | undefined;
  #count = 0;
  #total = 0;
  #contentBytes = 0;

  /** Entries so far. */
  get count(): number {
    return this.#total;
  }

  /** Bytes of content of all files so far. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  add(folder: Buffer, entry: Entry): void {
    if (this.#folder?.equals(folder) !== true) {
      this.#endSection();
      this.#folder = folder;
    }
    encodeEntry(this.#entries, entry);
    this.#count += 1;
    this.#total += 1;
    if (entry.kind === "file") this.#contentBytes += entry.size;
  }

  /** What was added, in memory of its own; the writer is then empty again. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#endSection();
    const sections = new Uint8Array(this.#sections.view());
    this.#sections.reset();
    this.#folder = undefined;
    this.#total = 0;
    this.#contentBytes = 0;
    return sections;
  }

  #endSection(): void {
    if (this.#folder === undefined || this.#count === 0) return;
    this.#sections.blob(this.#folder).varint(this.#count).raw(this.#entries.view());
    this.#entries.reset();
    this.#count = 0;
  }
}

const PATH_BYTES_MAX = 2 * 1024 * 1024;
const ENTRIES_MAX = 1_000_000;

/** The entries in what a {@link SectionWriter} gave, as views of it. */
export function* readSections(
  sections: Uint8Array,
): Generator<{ readonly folder: Buffer; readonly entry: Entry }> {
  const reader = new ByteReader(sections, "A task of the restore");
  while (reader.left > 0) {
    const folder = reader.blob(PATH_BYTES_MAX);
    const count = reader.varint(ENTRIES_MAX);
    for (let index = 0; index < count; index += 1) yield { folder, entry: decodeEntry(reader) };
  }
}

/** A section of one entry. */
export function sectionOf(folder: Buffer, entry: Entry): Uint8Array<ArrayBuffer> {
  const writer = new SectionWriter();
  writer.add(folder, entry);
  return writer.finish();
}
