/**
 * Everything it takes to look into copies: index, decoder and record reader in one.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";
import type { ChunkIndexSnapshot } from "../chunk-index/index.ts";
import { type Copy, type CopyList, listCopies, withDetails } from "../copies/copies.ts";
import type { Repository } from "../repository.ts";
import type { ReadRecord } from "../tree/records.ts";
import { openIndexForReading } from "./open-index.ts";
import { RecordDecoder } from "./record-decoder.ts";
import { RecordReader } from "./record-reader.ts";

/** Dispose it when nothing is read any more: that wipes the session keys and closes the index. */
export interface CopyReader extends Disposable {
  /** For the functions of the tree: `walkSections`, `listDirectory`, `lookup`, `findEntries`, `compareTrees`. */
  readonly readRecord: ReadRecord;
  readonly readChunk: (id: Buffer) => Promise<Buffer>;
  readonly snapshot: ChunkIndexSnapshot;
  /** With what only the read capability shows. */
  listCopies(): Promise<CopyList<Copy>>;
}

export interface CopyReaderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Read the whole index first, and make good what is damaged or missing of it, as far as the packs tell it. */
  readonly checkIndex?: boolean;
  /** Called for every index segment that is damaged; what it said is rebuilt from the packs. */
  readonly onDamagedIndex?: ((name: string, error: AppError) => void) | undefined;
}

/** @throws AppError `ERR_CAPABILITY` without the read capability, errors of the storage. */
export async function openCopyReader(
  repository: Repository,
  options: CopyReaderOptions = {},
): Promise<CopyReader> {
  const { keys, ports } = repository;
  const decoder = new RecordDecoder(keys);
  try {
    const opened = await openIndexForReading(ports.storage, keys, {
      cacheDir: ports.cacheDir,
      checkFrames: options.checkIndex,
      findPacks: options.checkIndex,
      signal: options.signal,
      onDamaged: options.onDamagedIndex,
    });
    const { readRecord, readChunk } = new RecordReader(ports.storage, opened.index, decoder);
    return {
      readRecord,
      readChunk,
      snapshot: opened.snapshot,
      listCopies: async () => withDetails(await listCopies(ports.storage, keys), keys, decoder.keyring),
      [Symbol.dispose]: () => {
        decoder.wipe();
        opened[Symbol.dispose]();
      },
    };
  } catch (error) {
    decoder.wipe();
    throw error;
  }
}
