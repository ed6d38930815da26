/**
 * A writer's session, from its session object to its manifest, in the order that docs/format.md, section 9, prescribes.
 *
 * It holds no key that decrypts: the session key is its own, everything else it has is the write capability.
 *
 * @module
 */
import { frameKeys, sha256 } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import {
  type ChunkIndex,
  type ChunkIndexSnapshot,
  describeSegment,
  type LoadedIndex,
  loadSnapshot,
  openChunkIndex,
  readersOf,
  SegmentBuilder,
  type SegmentDescription,
} from "../chunk-index/index.ts";
import { type CopyDetails, type CopyTable, encodeManifest } from "../copies/manifest.ts";
import { hashedName, packName } from "../format/object-names.ts";
import { requireKey } from "../keys/key-set.ts";
import { compactIndex, crowdedSegments } from "../maintenance/compact-index.ts";
import type { FinishedPack } from "../packs/pack-builder.ts";
import { type IdOf, idHasher } from "../packs/record-id.ts";
import { RecordSealer } from "../packs/record-sealer.ts";
import { type NewSessionKey, newSessionKey } from "../packs/session-keys.ts";
import type { Repository } from "../repository.ts";
import { adoptPacks } from "./adopt-packs.ts";
import { listCondemned } from "./condemned.ts";
import { closeSession, listSessions, type SeenSession, Session } from "./session.ts";

export interface WriteSessionOptions {
  /** zstd level, 0 for none. */
  readonly compressionLevel: number;
  /** Called with every segment this session has stored: other threads add it to their index. */
  readonly onSegment?: (segment: SegmentDescription) => void;
  readonly signal?: AbortSignal;
  /** More index segments that are not full are merged; 16 when missing. */
  readonly segmentsMax?: number;
}

/** After so many new bytes the index of what is stored is written, so that a kill loses little. */
const INDEX_EVERY_BYTES = 4 * 1024 ** 3;

export class WriteSession {
  readonly repository: Repository;
  readonly key: NewSessionKey;
  readonly idOf: IdOf;
  readonly index: ChunkIndex;
  readonly #options: WriteSessionOptions;
  readonly #session: Session;
  readonly #loaded: LoadedIndex;
  readonly #finishedSessions: readonly SeenSession[];
  readonly #mayCompact: boolean;
  readonly #segments: SegmentDescription[] = [];
  readonly #segment = new SegmentBuilder();
  #bytesSinceIndex = 0;
  #bytesStored = 0;
  /** A segment whose put failed or was cancelled. */
  #unwritten: Buffer | undefined;
  #abandoned = false;

  private constructor(parts: {
    readonly repository: Repository;
    readonly options: WriteSessionOptions;
    readonly key: NewSessionKey;
    readonly session: Session;
    readonly loaded: LoadedIndex;
    readonly finishedSessions: readonly SeenSession[];
    readonly mayCompact: boolean;
  }) {
    this.repository = parts.repository;
    this.key = parts.key;
    this.idOf = idHasher(requireKey(parts.repository.keys, "idKey"));
    this.#loaded = parts.loaded;
    this.index = openChunkIndex(parts.loaded.snapshot);
    this.#options = parts.options;
    this.#session = parts.session;
    this.#finishedSessions = parts.finishedSessions;
    this.#mayCompact = parts.mayCompact;
  }

  /**
   * Starts a session: session object first, then the condemned packs, then the index.
   *
   * @throws AppError of the storage, or `ERR_DAMAGED`.
   */
  static async begin(repository: Repository, options: WriteSessionOptions): Promise<WriteSession> {
    const { ports, keys } = repository;
    const key = newSessionKey(keys.repository, requireKey(keys, "publicKey"), ports.randomness);
    const session = await Session.start(key.session, "writer", ports, keys);
    try {
      const condemned = await listCondemned(ports.storage, keys.repository, keys.tableKey);
      const condemnedPacks = new Set(condemned.flatMap((one) => one.packs));
      const sessions = await listSessions(ports, keys, key.session);
      const others = sessions.filter(({ state }) => state !== "fenced");
      const loaded = await loadSnapshot(ports.storage, keys, {
        condemned: condemnedPacks,
        ...(ports.cacheDir === undefined ? {} : { cacheDir: ports.cacheDir }),
      });
      const finishedSessions = others.filter(({ state }) => state !== "alive");
      const mayCompact = condemned.length === 0 && ports.storage.capabilities.listConsistent;
      const parts = { repository, options, key, session, loaded, finishedSessions, mayCompact };
      const writing = new WriteSession(parts);
      if (others.length > 0) await writing.#adopt(condemnedPacks);
      return writing;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  /** What other threads open their index from; valid until the session ends. */
  get snapshot(): ChunkIndexSnapshot {
    return this.#loaded.snapshot;
  }

  /** Bytes of all objects this session has stored so far. */
  get bytesStored(): number {
    return this.#bytesStored;
  }

  /** A sealer for one thread; `nextCounter` must be shared by all threads of the session. */
  newSealer(nextCounter: () => number): RecordSealer {
    const { keys, config } = this.repository;
    return new RecordSealer({
      repository: keys.repository,
      tableKey: keys.tableKey,
      session: this.key.session,
      frameKeys: frameKeys(config.suite, this.key.sessionKey, keys.repository),
      nextCounter,
      compressionLevel: this.#options.compressionLevel,
    });
  }

  /** To be called every few minutes while nothing is stored. @throws AppError `ERR_SESSION_LOST`. */
  async keepAlive(): Promise<void> {
    await this.#session.keepAlive();
  }

  /** Stores a pack; its memory may be reused afterwards. */
  async storePack(pack: FinishedPack): Promise<void> {
    await this.#session.keepAlive();
    await this.#put(packName(pack.sha256), pack.bytes, pack.sha256);
    const indexed = { sha256: pack.sha256, length: pack.bytes.length, kind: pack.kind };
    if (!this.#segment.addPack(indexed, pack.directory)) {
      await this.flushIndex();
      this.#segment.addPack(indexed, pack.directory);
    }
    this.#bytesSinceIndex += pack.bytes.length;
    if (this.#bytesSinceIndex >= INDEX_EVERY_BYTES) await this.flushIndex();
  }

  /** Writes the index of the packs that were stored since the last time, and one that could not be written then. */
  async flushIndex(): Promise<void> {
    const { keys, ports } = this.repository;
    while (this.#unwritten !== undefined || this.#segment.packCount > 0) {
      this.#unwritten ??= this.#segment.finish(keys, ports.randomness);
      const bytes = this.#unwritten;
      const name = hashedName("index", sha256(bytes));
      await this.#put(name, bytes);
      this.#unwritten = undefined;
      this.#bytesSinceIndex = 0;
      const segment = describeSegment(keys, name, bytes);
      this.index.add(segment);
      this.#segments.push(segment);
      this.#options.onSegment?.(segment);
    }
  }

  /**
   * Publishes the copy: everything it refers to must have been stored with {@link storePack}.
   *
   * @returns the id of the copy.
   * @throws AppError `ERR_SESSION_LOST` when the session was not seen for too long; what was written is used by the next one.
   */
  async commit(table: CopyTable, details: CopyDetails): Promise<string> {
    const { keys } = this.repository;
    await this.flushIndex();
    const { sessionKey, envelope } = this.key;
    const { repository, tableKey } = keys;
    const bytes = encodeManifest({ repository, tableKey, sessionKey, envelope }, table, details);
    const hash = sha256(bytes);
    await this.#compactIndex();
    this.#throwIfCancelled();
    await this.#session.prove();
    await this.#put(hashedName("copy", hash), bytes);
    await this.#confirmCopy(hashedName("copy", hash));
    try {
      await this.#end();
    } catch {
      // The copy is there; what is left of the session is seen to be over by the next one.
      this.#loaded[Symbol.dispose]();
    }
    return hash.toString("hex");
  }

  /** Ends the session without a copy; what was stored stays usable for the next one. Throws nothing. */
  async abandon(): Promise<void> {
    // A cancelled session still writes the index of what it has stored.
    this.#abandoned = true;
    try {
      await this.flushIndex();
      await this.#end();
    } catch {
      this.#loaded[Symbol.dispose]();
      // The storage is gone or the process is being stopped: the next session adopts what is there.
    }
  }

  /** A process that slept for days before its put may have published what a cleaner had deleted meanwhile. */
  async #confirmCopy(name: string): Promise<void> {
    try {
      await this.#session.confirm();
    } catch (error) {
      if (isAppError(error, "ERR_SESSION_LOST")) await this.repository.ports.storage.delete(name);
      throw error;
    }
  }

  /** Keeps the number of segments small. Safe only because every deletion since this session began waits for it. */
  async #compactIndex(): Promise<void> {
    const { snapshot, superseded } = this.#loaded;
    if (!this.#mayCompact) return;
    const segments = [...snapshot.segments, ...this.#segments];
    const crowded = crowdedSegments(readersOf({ ...snapshot, segments }), this.#options.segmentsMax);
    if (crowded.length === 0) return;
    const { keys, ports } = this.repository;
    const { storage, randomness } = ports;
    try {
      await compactIndex(crowded, { storage, keys, randomness, session: this.#session, superseded });
    } catch (error) {
      // The copy needs no compaction: a damaged segment is named by `verify`, and some may write but not delete.
      if (!isAppError(error) || error.code === "ERR_SESSION_LOST") throw error;
    }
  }

  async #end(): Promise<void> {
    const { storage } = this.repository.ports;
    // What they left behind is in the index by now, so nobody needs to look for it again.
    for (const finished of this.#finishedSessions) await closeSession(storage, finished);
    await this.#session.end();
    this.#loaded[Symbol.dispose]();
    this.key.sessionKey.fill(0);
  }

  async #adopt(condemned: ReadonlySet<string>): Promise<void> {
    const { ports, keys } = this.repository;
    for await (const pack of adoptPacks(ports.storage, keys, this.index, condemned)) {
      if (this.#segment.addPack(pack.indexed, pack.directory)) continue;
      await this.flushIndex();
      this.#segment.addPack(pack.indexed, pack.directory);
    }
    await this.flushIndex();
  }

  async #put(name: string, bytes: Uint8Array, hash?: Uint8Array): Promise<void> {
    const signal = this.#abandoned ? undefined : this.#options.signal;
    this.#throwIfCancelled();
    const stored = await this.repository.ports.storage.put(name, bytes, {
      ...(hash === undefined ? {} : { sha256: hash }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (stored === "created") this.#bytesStored += bytes.length;
  }

  #throwIfCancelled(): void {
    if (this.#options.signal?.aborted === true && !this.#abandoned) {
      throw new AppError("ERR_CANCELLED", "The backup was cancelled.", {
        remedy: "Run it again: what was written is used.",
      });
    }
  }
}
