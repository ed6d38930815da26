/**
 * Backs up files into a repository.
 *
 * The tree is cut into tasks for worker threads, each a complete synchronous pipeline: it lists directories, compares entries
 * with what the last backup saw, reads what is new, finds duplicates, compresses, encrypts, and fills packs in shared
 * memory. The main thread keeps the order of the tree, writes metadata, and stores what is full.
 *
 * @module
 */
import { lstatSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { AppError } from "@holdfast/kernel";
import {
  ClaimTable,
  groupOf,
  newArenaMemory,
  type Repository,
  requireKey,
  type SegmentDescription,
  WriteSession,
} from "@holdfast/repository";
import { BackupRun, type RunOutcome, type RunStore } from "./backup-run.ts";
import {
  closeCache,
  createCache,
  discardCache,
  finishCache,
  type NewCache,
  type OldCache,
  openCache,
} from "./change-cache/cache-file.ts";
import { CacheSeal, type CacheSubject } from "./change-cache/format.ts";
import { newCounters, sumCounters } from "./counters.ts";
import { CONTROL, type WarningRecord } from "./messages.ts";
import { currentPlatform } from "../platform/current-platform.ts";
import type { PathText } from "./path-text.ts";
import { startProgress } from "./progress.ts";
import type { BackupRequest, BackupResult } from "./request.ts";
import { SourcePaths } from "./source-paths.ts";
import { WorkerPool } from "./worker-pool.ts";
import { ownCopy, PostedSecrets, type StoreSetup, type WorkerSetup } from "./worker-setup.ts";

/** One pack is filled, the others are on their way to the storage. */
const ARENA_SLOTS = 3;
/** One thread would wait for the disk; each costs about 45 MB, and more than three break the promise of 400 MB. */
const WORKERS_MIN = 2;
const WORKERS_DEFAULT_MAX = 3;
const WORKERS_MAX = 64;

/**
 * Backs up files and folders.
 *
 * The tree of the copy holds full paths: a backup of `/srv/data` has the entries `srv`, `srv/data` and what is in it. What
 * cannot be read is told by `onWarning` and left out; the copy is completed all the same. The repository itself and the
 * folder of the cache, where they lie inside the source, are kept as folders without content.
 *
 * @param repository opened with the capability `write` only: nothing here can decrypt a copy.
 * @throws AppError `ERR_PATH_NOT_FOUND` when none of the paths exists, `ERR_CANCELLED`, errors of the storage,
 * `ERR_SESSION_LOST`. What was stored until then stays usable for the next backup.
 */
export function backupFiles(repository: Repository, request: BackupRequest): Promise<BackupResult> {
  return new FilesBackup(repository, request).run();
}

interface FinishedCopy {
  readonly id: string;
  readonly timeMs: number;
  readonly size: number;
}

interface Finished {
  readonly copy: FinishedCopy | undefined;
  readonly bytesStored: number;
}

class FilesBackup {
  readonly #repository: Repository;
  readonly #request: BackupRequest;
  readonly #startedMs: number;
  readonly #subject: CacheSubject;
  readonly #workers: number;
  readonly #places: SourcePaths;
  readonly #counters: SharedArrayBuffer;
  readonly #posted = new PostedSecrets();
  readonly #control = new SharedArrayBuffer(CONTROL.words * 4);
  #metadataBytesAdded = 0;
  #warnings = 0;

  constructor(repository: Repository, request: BackupRequest) {
    this.#repository = repository;
    this.#request = request;
    this.#places = new SourcePaths(request.readFrom ?? []);
    this.#startedMs = Math.trunc(repository.ports.clock.now());
    const paths = request.paths.toSorted((one, other) => one.compare(other));
    this.#subject = { repository: repository.keys.repository, host: request.host, paths };
    const cores = Math.max(WORKERS_MIN, Math.min(WORKERS_DEFAULT_MAX, availableParallelism()));
    const wanted = request.workers ?? cores;
    this.#workers = Math.min(WORKERS_MAX, Math.max(1, wanted));
    this.#counters = newCounters(this.#workers);
  }

  async run(): Promise<BackupResult> {
    const { clock, cacheDir } = this.#repository.ports;
    const begin = clock.monotonic();
    const asked = this.#existingPaths();
    const idKey = requireKey(this.#repository.keys, "idKey");
    const old = cacheDir === undefined ? undefined : openCache(cacheDir, idKey, this.#subject);
    const { onProgress: report } = this.#request;
    const expected = old?.contents;
    const endProgress =
      report === undefined ? undefined : startProgress({ clock, counters: this.#counters, expected, report });
    const pool = new WorkerPool(this.#workers);
    try {
      const finished = await (this.#request.dryRun === true
        ? this.#runDry(pool, asked, old)
        : this.#runSession(pool, asked, old));
      return this.#result(finished, (clock.monotonic() - begin) / 1000);
    } finally {
      await pool.terminate();
      this.#posted[Symbol.dispose]();
      endProgress?.();
      if (old !== undefined) closeCache(old);
    }
  }

  #result({ copy, bytesStored }: Finished, seconds: number): BackupResult {
    const counts = sumCounters(this.#counters);
    const { filesNew, filesChanged, filesUnchanged, directories, bytesRead } = counts;
    const bytesAdded = counts.bytesAdded + this.#metadataBytesAdded;
    const files = { filesNew, filesChanged, filesUnchanged, directories };
    const made = { copyId: copy?.id, timeMs: copy?.timeMs, size: copy?.size };
    return { ...made, ...files, bytesRead, bytesAdded, bytesStored, seconds, warnings: this.#warnings };
  }

  async #runDry(pool: WorkerPool, asked: readonly PathText[], old: OldCache | undefined): Promise<Finished> {
    const setups = this.#setups(asked, old, undefined, undefined);
    await this.#newRun(pool, setups, undefined).run();
    return { copy: undefined, bytesStored: 0 };
  }

  async #runSession(
    pool: WorkerPool,
    asked: readonly PathText[],
    old: OldCache | undefined,
  ): Promise<Finished> {
    const { compressionLevel, signal } = this.#request;
    let run: BackupRun | undefined;
    /** What the session found in packs that nobody had put into the index. */
    const adopted: SegmentDescription[] = [];
    const session = await WriteSession.begin(this.#repository, {
      compressionLevel,
      onSegment: (segment) => {
        if (run === undefined) adopted.push(segment);
        else run.addSegment(segment);
      },
      ...(signal === undefined ? {} : { signal }),
    });
    const cache = this.#newCache();
    try {
      const store = this.#newStore(session, cache);
      const setups = this.#setups(
        asked,
        old,
        cache,
        storeSetup(store, adopted, compressionLevel, this.#posted),
      );
      run = this.#newRun(pool, setups, store);
      const outcome = await run.run();
      if (outcome === undefined) throw new Error("a backup made no tree");
      const copy = await this.#commit(session, outcome);
      if (cache !== undefined) this.#finishCache(cache, outcome);
      return { copy, bytesStored: session.bytesStored };
    } catch (error) {
      if (cache !== undefined) discardCache(cache);
      await session.abandon();
      throw error;
    }
  }

  #newRun(pool: WorkerPool, setups: readonly WorkerSetup[], store: RunStore | undefined): BackupRun {
    return new BackupRun({
      pool,
      setups,
      store,
      control: new Int32Array(this.#control),
      warn: (warning) => {
        this.#warn(warning);
      },
      signal: this.#request.signal,
    });
  }

  #newStore(session: WriteSession, cache: NewCache | undefined): RunStore {
    const target =
      cache === undefined
        ? undefined
        : { fd: cache.fd, seal: new CacheSeal(cache.key, Buffer.from(cache.head)), end: cache.end };
    return { session, arena: newArenaMemory(ARENA_SLOTS), claims: ClaimTable.create(), cache: target };
  }

  #newCache(): NewCache | undefined {
    const { cacheDir, randomness } = this.#repository.ports;
    if (cacheDir === undefined) return undefined;
    return createCache(cacheDir, requireKey(this.#repository.keys, "idKey"), this.#subject, randomness);
  }

  #finishCache(cache: NewCache, { cacheBlocks: blocks }: RunOutcome): void {
    const { filesNew, filesChanged, filesUnchanged, bytesDone: bytes } = sumCounters(this.#counters);
    const files = filesNew + filesChanged + filesUnchanged;
    finishCache(cache, this.#subject, { startedMs: this.#startedMs, files, bytes, blocks });
  }

  async #commit(session: WriteSession, { tree, metadataBytesAdded }: RunOutcome): Promise<FinishedCopy> {
    this.#metadataBytesAdded = metadataBytesAdded;
    const { host, name = "", paths, tags, program } = this.#request;
    const counts = sumCounters(this.#counters);
    const { directories, others } = counts;
    const table = {
      kind: "files",
      timeMs: Math.trunc(this.#repository.ports.clock.now()),
      group: groupOf(this.#repository.keys.tableKey, host, paths),
      root: tree,
      bytesAdded: counts.bytesAdded + metadataBytesAdded,
    } as const;
    const files = counts.filesNew + counts.filesChanged + counts.filesUnchanged;
    const totals = { files, directories, others, warnings: this.#warnings };
    const startedMs = this.#startedMs;
    const id = await session.commit(table, { host, name, paths, tags, program, startedMs, ...totals });
    return { id, timeMs: table.timeMs, size: tree.bytes };
  }

  #setups(
    asked: readonly PathText[],
    old: OldCache | undefined,
    cache: NewCache | undefined,
    store: (() => StoreSetup) | undefined,
  ): readonly WorkerSetup[] {
    const { exclude, oneFileSystem } = this.#request.selection.definition;
    const shared = {
      asked,
      readFrom: this.#request.readFrom ?? [],
      exclude,
      oneFileSystem: oneFileSystem || this.#request.oneFileSystem,
      skipped: this.#ownFolders(),
      control: this.#control,
      counters: this.#counters,
    };
    return Array.from({ length: this.#workers }, (_, thread) => ({
      ...shared,
      thread,
      oldCache:
        old === undefined ? undefined : { ...old, key: this.#posted.copy(old.key), head: ownCopy(old.head) },
      newCache:
        cache === undefined
          ? undefined
          : { fd: cache.fd, end: cache.end, key: this.#posted.copy(cache.key), head: ownCopy(cache.head) },
      store: store?.(),
    }));
  }

  /** Folders that this program itself writes to while it reads. */
  #ownFolders(): readonly string[] {
    const { storage, cacheDir } = this.#repository.ports;
    const config = storage.localPath("config");
    const folders = [
      ...(this.#request.ownFolders ?? []),
      ...(config === undefined ? [] : [dirname(config)]),
      ...(cacheDir === undefined ? [] : [cacheDir]),
    ];
    // A snapshot has other devices than what it was made of.
    const places = folders.flatMap((folder) => [folder, this.#places.placeOf(Buffer.from(folder))]);
    const identities = places.flatMap((place) => {
      const stats = statSync(place, { bigint: true, throwIfNoEntry: false });
      return stats === undefined ? [] : [`${String(stats.dev)}:${String(stats.ino)}`];
    });
    return [...new Set(identities)];
  }

  #warn({ path, code, message }: WarningRecord): void {
    this.#warnings += 1;
    this.#request.onWarning?.({ path: currentPlatform().paths.toSystem(path), code, message });
  }

  /** Paths that exist, as components joined by slashes; the others are warned of. */
  #existingPaths(): readonly PathText[] {
    const texts = this.#request.paths.map(currentPlatform().paths.toTree);
    const found = texts.filter((text) => this.#exists(text));
    const missing = texts.filter((text) => !this.#exists(text));
    if (found.length === 0) throw nothingToBackUp(missing[0] ?? "");
    for (const path of missing) {
      const message = `${currentPlatform().paths.shown(path)} does not exist.`;
      this.#warn({ path, code: "ERR_SOURCE_VANISHED", message });
    }
    return found;
  }

  #exists(path: PathText): boolean {
    return lstatSync(this.#places.systemPath(path), { throwIfNoEntry: false }) !== undefined;
  }
}

/** Makes the keys and memory that a worker stores with; each has copies of its own. */
function storeSetup(
  store: RunStore,
  adopted: readonly SegmentDescription[],
  compressionLevel: number,
  posted: PostedSecrets,
): () => StoreSetup {
  const { session, arena, claims } = store;
  const { keys, config } = session.repository;
  const snapshot = { ...session.snapshot, segments: [...session.snapshot.segments, ...adopted] };
  return () => ({
    repository: ownCopy(keys.repository),
    suiteCode: config.suite.code,
    session: ownCopy(session.key.session),
    envelope: ownCopy(session.key.envelope),
    compressionLevel,
    idKey: posted.copy(requireKey(keys, "idKey")),
    chunkerKey: posted.copy(requireKey(keys, "chunkerKey")),
    tableKey: posted.copy(keys.tableKey),
    sessionKey: posted.copy(session.key.sessionKey),
    arena,
    claims: claims.shared,
    snapshot,
  });
}

function nothingToBackUp(path: PathText): AppError {
  const subject = currentPlatform().paths.shown(path);
  return new AppError("ERR_PATH_NOT_FOUND", `There is nothing to back up: ${subject} does not exist.`, {
    subject,
    remedy: "Check the paths.",
  });
}
