/**
 * The folders of a restore: made before what is in them, given their metadata after all of it.
 *
 * A folder may get another name (`keep-both`) or none (something else has its name); what is below follows it. Metadata wait
 * as encoded entries: a copy may have millions of folders.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import { decodeEntry, encodeEntry, type Entry } from "@holdfast/repository";
import { joinPath } from "../restore-tree/entry-name.ts";
import type { RestoreWarning } from "../restore-tree/outcome.ts";
import type { TargetTree } from "../restore-tree/target.ts";
import { metadataOf } from "./entry-metadata.ts";
import type { LeftOut } from "./left-out.ts";

const SLASH = 0x2f;
const PATH_BYTES_MAX = 2 * 1024 * 1024;
/** Encoded folders are kept in blocks of about this size, which are read back from the last to the first. */
const BLOCK_BYTES = 1024 * 1024;

interface Block {
  readonly bytes: Buffer;
  readonly starts: readonly number[];
}

export class FolderPlan {
  readonly #target: TargetTree;
  readonly #leftOut: LeftOut;
  readonly #onWarning: (warning: RestoreWarning) => void;
  /** By path in the copy: where the folder went, or undefined when it was left out. Only those that are not in their place. */
  readonly #moved = new Map<string, Buffer | undefined>();
  readonly #blocks: Block[] = [];
  readonly #writer = new ByteWriter(64 * 1024);
  #starts: number[] = [];
  #count = 0;

  constructor(target: TargetTree, leftOut: LeftOut, onWarning: (warning: RestoreWarning) => void) {
    this.#target = target;
    this.#leftOut = leftOut;
    this.#onWarning = onWarning;
  }

  /** Folders made or found. */
  get count(): number {
    return this.#count;
  }

  /** Where the content of a folder of the copy goes; undefined when it was left out. */
  placeOf(folder: Buffer): Buffer | undefined {
    if (this.#moved.size === 0) return folder;
    for (let end = folder.length; end > 0; end = folder.lastIndexOf(SLASH, end - 1)) {
      const key = folder.toString("latin1", 0, end);
      if (!this.#moved.has(key)) continue;
      const moved = this.#moved.get(key);
      return moved === undefined ? undefined : Buffer.concat([moved, folder.subarray(end)]);
    }
    return folder;
  }

  /** @param directory the folder's parent in the copy. */
  make(directory: Buffer, entry: Entry): void {
    const folder = this.placeOf(directory);
    if (folder === undefined) return;
    const outcome = this.#target.makeFolder({ folder, name: entry.name });
    for (const warning of outcome.warnings) this.#onWarning(warning);
    const path = joinPath(directory, entry.name).toString("latin1");
    if (outcome.result === "failed" || outcome.result === "skipped") {
      this.#moved.set(path, undefined);
      return;
    }
    if (outcome.result === "kept-both") this.#moved.set(path, joinPath(folder, outcome.name));
    this.#count += 1;
    this.#keep(folder, outcome.name, entry);
  }

  /** A folder of the copy that is not made, with everything below it. */
  leaveOut(directory: Buffer, name: Buffer): void {
    this.#moved.set(joinPath(directory, name).toString("latin1"), undefined);
  }

  /** Sets the metadata of all folders, those further down first: a folder may forbid to go through it. */
  finish(): void {
    this.#endBlock();
    for (const { bytes, starts } of this.#blocks.toReversed()) {
      for (const start of starts.toReversed()) this.#finishFolder(bytes.subarray(start));
    }
    this.#blocks.length = 0;
  }

  #finishFolder(bytes: Buffer): void {
    const reader = new ByteReader(bytes, "A folder of the restore");
    const place = { folder: reader.blob(PATH_BYTES_MAX), name: reader.blob(PATH_BYTES_MAX) };
    const entry = decodeEntry(reader);
    this.#leftOut.note(entry);
    const warnings = this.#target.finishFolder(place, metadataOf(entry));
    for (const warning of warnings) this.#onWarning(warning);
  }

  #keep(folder: Buffer, name: Buffer, entry: Entry): void {
    this.#starts.push(this.#writer.length);
    encodeEntry(this.#writer.blob(folder).blob(name), entry);
    if (this.#writer.length >= BLOCK_BYTES) this.#endBlock();
  }

  #endBlock(): void {
    if (this.#starts.length === 0) return;
    this.#blocks.push({ bytes: this.#writer.finish(), starts: this.#starts });
    this.#writer.reset();
    this.#starts = [];
  }
}
