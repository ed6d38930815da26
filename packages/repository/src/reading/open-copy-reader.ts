/**
 * Everything it takes to look into copies: index, decoder and record reader in one.
 *
 * What cannot be found or read is looked for again, once, with everything there is: the index is listed anew (somebody may have
 * merged segments or moved chunks meanwhile), each frame of it is opened, and packs that no segment names are asked for
 * their directories. This takes a list of all packs, so that nobody pays for it who does not need it.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";
import type { ChunkIndexSnapshot } from "../chunk-index/index.ts";
import { type Copy, type CopyList, listCopies, withDetails } from "../copies/copies.ts";
import type { Repository } from "../repository.ts";
import type { ReadRecord } from "../tree/records.ts";
import { type OpenedIndex, openIndexForReading } from "./open-index.ts";
import { RecordDecoder } from "./record-decoder.ts";
import { isPassable, RecordReader } from "./record-reader.ts";

/** Dispose it when nothing is read any more: that wipes the session keys and closes the index. */
export interface CopyReader extends Disposable {
  /** For the functions of the tree: `walkSections`, `listDirectory`, `lookup`, `findEntries`, `compareTrees`. */
  readonly readRecord: ReadRecord;
  readonly readChunk: (id: Buffer) => Promise<Buffer>;
  /** The index as it was opened. */
  readonly snapshot: ChunkIndexSnapshot;
  /** The index after the second look, which {@link readRecord} and {@link readChunk} take by themselves. */
  secondLook(): Promise<ChunkIndexSnapshot>;
  /** With what only the read capability shows. */
  listCopies(): Promise<CopyList<Copy>>;
}

export interface CopyReaderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for every index segment that is found to be damaged; what it said is rebuilt from the packs. */
  readonly onDamagedIndex?: ((name: string, error: AppError) => void) | undefined;
}

/** @throws AppError `ERR_CAPABILITY` without the read capability, errors of the storage. */
export async function openCopyReader(
  repository: Repository,
  options: CopyReaderOptions = {},
): Promise<CopyReader> {
  const { keys, ports } = repository;
  const { signal, onDamagedIndex } = options;
  const decoder = new RecordDecoder(keys);
  const told = new Set<string>();
  const openIndex = (thorough: boolean): Promise<OpenedIndex> =>
    openIndexForReading(ports.storage, keys, {
      cacheDir: ports.cacheDir,
      checkFrames: thorough,
      findPacks: thorough,
      signal,
      onDamaged: (name, error) => {
        if (!told.has(name)) onDamagedIndex?.(name, error);
        told.add(name);
      },
    });
  try {
    const indexes = new TwoLooks(await openIndex(false), () => openIndex(true));
    const first = new RecordReader(ports.storage, indexes.first.index, decoder);
    let second: RecordReader | undefined;
    const readTwice = async (read: (reader: RecordReader) => Promise<Buffer>): Promise<Buffer> => {
      try {
        return await read(first);
      } catch (error) {
        if (!isPassable(error)) throw error;
        const { index } = await indexes.second();
        second ??= new RecordReader(ports.storage, index, decoder);
        return read(second);
      }
    };
    return {
      readRecord: (type, id) => readTwice((reader) => reader.readRecord(type, id)),
      readChunk: (id) => readTwice((reader) => reader.readChunk(id)),
      snapshot: indexes.first.snapshot,
      secondLook: async () => (await indexes.second()).snapshot,
      listCopies: async () => withDetails(await listCopies(ports.storage, keys), keys, decoder.keyring),
      [Symbol.dispose]: () => {
        decoder.wipe();
        indexes[Symbol.dispose]();
      },
    };
  } catch (error) {
    decoder.wipe();
    throw error;
  }
}

/** The index as it was found, and, once somebody misses something in it, as complete as it can be made. */
class TwoLooks implements Disposable {
  readonly first: OpenedIndex;
  readonly #look: () => Promise<OpenedIndex>;
  #looking: Promise<OpenedIndex> | undefined;
  #second: OpenedIndex | undefined;
  #isDisposed = false;

  constructor(first: OpenedIndex, look: () => Promise<OpenedIndex>) {
    this.first = first;
    this.#look = look;
  }

  second(): Promise<OpenedIndex> {
    this.#looking ??= this.#lookAgain();
    return this.#looking;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.first[Symbol.dispose]();
    this.#second?.[Symbol.dispose]();
  }

  async #lookAgain(): Promise<OpenedIndex> {
    this.#second = await this.#look();
    if (this.#isDisposed) this.#second[Symbol.dispose]();
    return this.#second;
  }
}
