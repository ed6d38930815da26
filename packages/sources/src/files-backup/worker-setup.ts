/**
 * What a worker is given at its start, as plain data.
 *
 * Keys come as bytes, because that is what can be posted, and in memory that threads share, because a copy that posting makes
 * is freed without being overwritten. The worker wipes them once it has imported them, and the main thread in any case when
 * the worker has ended. There is none among them that decrypts a copy.
 *
 * @module
 */
import type { ArenaMemory, ChunkIndexSnapshot } from "@holdfast/repository";
import type { CacheContents } from "./change-cache/format.ts";
import type { SourceMapping } from "../snapshots/snapshot-system.ts";
import type { PathText } from "./path-text.ts";

export interface StoreSetup {
  readonly repository: Uint8Array;
  readonly suiteCode: number;
  readonly session: Uint8Array;
  readonly envelope: Uint8Array;
  readonly compressionLevel: number;
  readonly idKey: Uint8Array;
  readonly chunkerKey: Uint8Array;
  readonly tableKey: Uint8Array;
  readonly sessionKey: Uint8Array;
  readonly arena: ArenaMemory;
  readonly claims: SharedArrayBuffer;
  readonly snapshot: ChunkIndexSnapshot;
}

export interface CacheSetup {
  readonly fd: number;
  readonly head: Uint8Array;
  readonly key: Uint8Array;
}

export interface WorkerSetup {
  readonly thread: number;
  /** Components of each path that was asked for, joined by `/`. */
  readonly asked: readonly PathText[];
  readonly readFrom: readonly SourceMapping[];
  readonly exclude: readonly string[];
  readonly oneFileSystem: boolean;
  readonly skipped: readonly string[];
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly oldCache: (CacheSetup & { readonly contents: CacheContents }) | undefined;
  readonly newCache: (CacheSetup & { readonly end: BigInt64Array }) | undefined;
  /** Undefined for a dry run. */
  readonly store: StoreSetup | undefined;
}

/** Bytes in memory of their own: posting a view copies everything behind it. */
export function ownCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Copies of secrets that are posted to workers; disposing of it overwrites them for both sides. */
export class PostedSecrets implements Disposable {
  readonly #copies: Uint8Array[] = [];

  copy(secret: Uint8Array): Uint8Array {
    const copy = new Uint8Array(new SharedArrayBuffer(secret.length));
    copy.set(secret);
    this.#copies.push(copy);
    return copy;
  }

  [Symbol.dispose](): void {
    for (const copy of this.#copies) copy.fill(0);
  }
}
