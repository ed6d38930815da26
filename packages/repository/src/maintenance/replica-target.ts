/**
 * The receiving end of a replication: the same repository in another storage, written under a session of its own, so that a
 * cleaner there waits (docs/format.md, section 9).
 *
 * @module
 */
import { join } from "node:path";
import { sha256 } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import {
  type ChunkIndex,
  type LoadedIndex,
  loadSnapshot,
  openChunkIndex,
  readersOf,
  SegmentBuilder,
} from "../chunk-index/index.ts";
import { checkNamedByHash } from "../format/head.ts";
import { CONFIG_NAME, hashedName, hashOfName, packName, PREFIXES } from "../format/object-names.ts";
import { readPackDirectory } from "../packs/read-directory.ts";
import { readConfig, type Repository } from "../repository.ts";
import { listCondemned } from "../sessions/condemned.ts";
import { Session } from "../sessions/session.ts";
import { getIfThere } from "../storage-reading.ts";
import { compactIndex, crowdedSegments } from "./compact-index.ts";
import { loadIndex } from "./mark.ts";
import type { TabledPack } from "./pack-table.ts";

/** After so many bytes the index of what was copied is written. */
const INDEX_EVERY_BYTES = 4 * 1024 ** 3;

/**
 * Makes an empty target a replica without copies, or checks that it is one of this repository. Key slots that it lacks are
 * copied; none is removed. Returns the names of slots that only the target has.
 *
 * @throws AppError `ERR_REPOSITORY_MISMATCH` when the target holds another repository, or an error of a storage.
 */
export async function prepareTarget(source: Storage, target: Storage): Promise<readonly string[]> {
  const { bytes: config } = await readConfig(source);
  const present = await getIfThere(target, CONFIG_NAME);
  if (present !== undefined && !present.equals(config)) throw otherRepository(target);
  const slots = await copySlots(source, target);
  if (present === undefined && (await target.put(CONFIG_NAME, config)) === "exists") {
    if (!(await target.get(CONFIG_NAME)).equals(config)) throw otherRepository(target);
  }
  const foreign: string[] = [];
  for await (const { name } of target.list(PREFIXES.slot)) if (!slots.has(name)) foreign.push(name);
  return foreign;
}

async function copySlots(source: Storage, target: Storage): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of source.list(PREFIXES.slot))
    if (hashOfName(name) !== undefined) names.add(name);
  for (const name of names) {
    if ((await target.stat(name)) !== null) continue;
    const bytes = await getIfThere(source, name);
    if (bytes === undefined) continue;
    checkNamedByHash(bytes, name);
    await target.put(name, bytes);
  }
  return names;
}

export class ReplicaTarget {
  readonly index: ChunkIndex;
  readonly repository: Repository;
  readonly session: Session;
  readonly #loaded: LoadedIndex;
  readonly #condemned: ReadonlySet<string>;
  readonly #segment = new SegmentBuilder();
  #bytesSinceIndex = 0;

  private constructor(
    repository: Repository,
    session: Session,
    loaded: LoadedIndex,
    condemned: ReadonlySet<string>,
  ) {
    this.repository = repository;
    this.session = session;
    this.#loaded = loaded;
    this.#condemned = condemned;
    this.index = openChunkIndex(loaded.snapshot);
  }

  /** Session object first, then the condemned packs, then the index, as every writer. */
  static async begin(source: Repository, target: Storage): Promise<ReplicaTarget> {
    const { cacheDir, ...rest } = source.ports;
    const place = sha256(Buffer.from(target.location)).toString("hex").slice(0, 16);
    const ports = {
      ...rest,
      storage: target,
      ...(cacheDir === undefined ? {} : { cacheDir: join(cacheDir, place) }),
    };
    const repository = { ...source, ports };
    const session = await Session.start(ports.randomness(Buffer.alloc(16)), "writer", ports, source.keys);
    try {
      const { repository: id, tableKey } = source.keys;
      const condemned = new Set((await listCondemned(target, id, tableKey)).flatMap(({ packs }) => packs));
      const loaded = await loadSnapshot(target, source.keys, {
        condemned,
        ...(ports.cacheDir === undefined ? {} : { cacheDir: ports.cacheDir }),
      });
      return new ReplicaTarget(repository, session, loaded, condemned);
    } catch (error) {
      await session.end().catch(() => undefined);
      throw error;
    }
  }

  /** Packs that are about to be deleted cannot be relied upon, and not be stored anew while they are there. */
  isCondemned(hex: string): boolean {
    return this.#condemned.has(hex);
  }

  /**
   * Takes a pack that an earlier replication left; false when it is not there.
   *
   * @throws AppError `ERR_DAMAGED` when it is not whole: nothing can be stored in its place while it is there.
   */
  async adopt(pack: TabledPack): Promise<boolean> {
    const name = packName(pack.sha256);
    const info = await this.repository.ports.storage.stat(name);
    if (info === null) return false;
    const { storage } = this.repository.ports;
    try {
      await this.#indexPack(
        pack,
        (await readPackDirectory(storage, this.repository.keys, name, info.size)).directory,
      );
      return true;
    } catch (error) {
      if (isAppError(error, "ERR_DAMAGED")) throw damagedInTarget(name, error);
      throw error;
    }
  }

  /** @param bytes checked against the pack's name. */
  async storePack(pack: TabledPack, bytes: Buffer, directory: Buffer): Promise<void> {
    await this.session.keepAlive();
    await this.repository.ports.storage.put(packName(pack.sha256), bytes, { sha256: pack.sha256 });
    await this.#indexPack(pack, directory);
  }

  async flushIndex(): Promise<void> {
    if (this.#segment.packCount === 0) return;
    const { keys, ports } = this.repository;
    this.#bytesSinceIndex = 0;
    const bytes = this.#segment.finish(keys, ports.randomness);
    await ports.storage.put(hashedName("index", sha256(bytes)), bytes);
  }

  /** Publishes a copy of which everything is there. */
  async storeManifest(name: string, bytes: Buffer): Promise<void> {
    const { storage } = this.repository.ports;
    await this.session.keepAlive();
    await this.session.prove();
    const stored = await storage.put(name, bytes);
    try {
      await this.session.confirm();
    } catch (error) {
      if (isAppError(error, "ERR_SESSION_LOST") && stored === "created") await storage.delete(name);
      throw error;
    }
  }

  /** Keeps the number of segments small, on the same conditions as a backup. */
  async compactIndex(): Promise<void> {
    const { storage, randomness } = this.repository.ports;
    if (this.#condemned.size > 0 || !storage.capabilities.listConsistent) return;
    using loaded = await loadIndex(this.repository);
    const crowded = crowdedSegments(readersOf(loaded.snapshot));
    if (crowded.length === 0) return;
    const { superseded } = loaded;
    await compactIndex(crowded, {
      storage,
      keys: this.repository.keys,
      randomness,
      session: this.session,
      superseded,
    });
  }

  async end(): Promise<void> {
    this.#loaded[Symbol.dispose]();
    // What cannot be ended now is seen to be over by the next one.
    await this.session.end().catch(() => undefined);
  }

  async #indexPack(pack: TabledPack, directory: Buffer): Promise<void> {
    if (!this.#segment.addPack(pack, directory)) {
      await this.flushIndex();
      this.#segment.addPack(pack, directory);
    }
    this.#bytesSinceIndex += pack.length;
    if (this.#bytesSinceIndex >= INDEX_EVERY_BYTES) await this.flushIndex();
  }
}

function otherRepository(target: Storage): AppError {
  return new AppError("ERR_REPOSITORY_MISMATCH", `${target.location} holds another repository.`, {
    subject: target.location,
    remedy: "Name an empty place, or the one that an earlier `holdfast replicate` made.",
  });
}

function damagedInTarget(name: string, cause: AppError): AppError {
  return new AppError("ERR_DAMAGED", `The object ${name} in the target is damaged.`, {
    subject: name,
    remedy: "Remove it from the target and replicate again.",
    cause,
  });
}
