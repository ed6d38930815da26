/**
 * Reads what tree records refer to, from their refs boxes, with the table key alone. Neighbours in a pack are read at once.
 *
 * @module
 */
import { type AppError, damaged, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { IndexKeys } from "../chunk-index/segment-format.ts";
import { packName } from "../format/object-names.ts";
import type { PackKey } from "../packs/pack-key.ts";
import { readPackFront } from "../packs/read-directory.ts";
import { openRecord, openRefs } from "../packs/record-opener.ts";
import type { PackTable } from "./pack-table.ts";
import type { QueuedRecord } from "./record-queue.ts";

/** Reading so many bytes for nothing costs less than another request. */
const GAP_BYTES_MAX = 64 * 1024;
const READ_BYTES_MAX = 8 * 1024 * 1024;
const READS_AT_ONCE = 4;
const PACK_KEYS_MAX = 4096;

/** What a record refers to, 32 bytes an id, or why it cannot be read. */
export type ReadRefs = Buffer | AppError;

export class RefsReader {
  readonly #storage: Storage;
  readonly #keys: IndexKeys;
  readonly #packs: PackTable;
  readonly #signal: AbortSignal | undefined;
  readonly #packKeys = new Map<number, Promise<PackKey>>();

  constructor(storage: Storage, keys: IndexKeys, packs: PackTable, signal?: AbortSignal) {
    this.#storage = storage;
    this.#keys = keys;
    this.#packs = packs;
    this.#signal = signal;
  }

  /**
   * @param records in the order of their places.
   * @param found called for each, in any order.
   * @throws AppError of the storage; a record that is damaged or gone is given to `found`.
   */
  async read(
    records: readonly QueuedRecord[],
    found: (record: QueuedRecord, refs: ReadRefs) => void,
  ): Promise<void> {
    const runs = runsOf(records).toReversed();
    const work = async (): Promise<void> => {
      for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
        try {
          await this.#readRun(run, found);
        } catch (error) {
          // Nobody waits for the others any more.
          runs.length = 0;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, work));
  }

  async #readRun(
    run: readonly QueuedRecord[],
    found: (record: QueuedRecord, refs: ReadRefs) => void,
  ): Promise<void> {
    const [first] = run;
    const last = run.at(-1);
    if (first === undefined || last === undefined) return;
    const { sha256, length: packLength } = this.#packs.get(first.pack);
    const name = packName(sha256);
    let key: PackKey;
    let bytes: Buffer;
    try {
      key = await this.#packKey(first.pack, name, packLength);
      const range = { offset: first.offset, length: last.offset + last.length - first.offset };
      bytes = await this.#storage.get(name, range, this.#signal);
    } catch (error) {
      if (!isPassable(error)) throw error;
      for (const record of run) found(record, error);
      return;
    }
    for (const record of run) {
      const start = record.offset - first.offset;
      found(record, this.#refsOf(record, key, bytes.subarray(start, start + record.length), name));
    }
  }

  #refsOf(record: QueuedRecord, key: PackKey, bytes: Buffer, name: string): ReadRefs {
    try {
      const open = openRecord(key, bytes, record.offset, name);
      const { tableKey, repository } = this.#keys;
      if (!open.header.id.equals(record.id)) {
        return damaged(open.what, "it is another one than the index says");
      }
      return openRefs(open, tableKey, repository);
    } catch (error) {
      if (!isPassable(error)) throw error;
      return error;
    }
  }

  #packKey(pack: number, name: string, length: number): Promise<PackKey> {
    const known = this.#packKeys.get(pack);
    if (known !== undefined) return known;
    const [oldest] = this.#packKeys.keys();
    if (this.#packKeys.size >= PACK_KEYS_MAX && oldest !== undefined) this.#packKeys.delete(oldest);
    const reading = readPackFront(this.#storage, this.#keys, name, length).then(({ key }) => key);
    this.#packKeys.set(pack, reading);
    reading.catch(() => this.#packKeys.delete(pack));
    return reading;
  }
}

/** Whether a failure concerns one object only. */
function isPassable(error: unknown): error is AppError {
  return isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_STORAGE_NOT_FOUND");
}

function runsOf(records: readonly QueuedRecord[]): QueuedRecord[][] {
  const runs: QueuedRecord[][] = [];
  let run: QueuedRecord[] = [];
  for (const record of records) {
    const [first] = run;
    const last = run.at(-1);
    const isNear =
      first !== undefined &&
      last !== undefined &&
      record.pack === first.pack &&
      record.offset <= last.offset + last.length + GAP_BYTES_MAX &&
      record.offset + record.length - first.offset <= READ_BYTES_MAX;
    if (!isNear) {
      run = [];
      runs.push(run);
    }
    run.push(record);
  }
  return runs;
}
