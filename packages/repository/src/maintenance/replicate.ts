/**
 * Makes or updates a replica: the same repository, with the same keys, in another storage. Packs are copied as they are, so
 * neither end decrypts anything; then index segments for them, manifests last (docs/format.md, section 9). Nothing is
 * ever deleted there. A replication that was cut goes on where it ended.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { ListedCopy } from "../copies/copies.ts";
import { listCopies } from "../copies/copies.ts";
import { checkNamedByHash } from "../format/head.ts";
import { packName } from "../format/object-names.ts";
import { openPackInMemory } from "../packs/read-directory.ts";
import type { Repository } from "../repository.ts";
import { FIRST_BEAT, sessionObjectName } from "../sessions/session-object.ts";
import { getIfThere } from "../storage-reading.ts";
import type { LiveChunks } from "./live-chunks.ts";
import { forEachEntry } from "./live-index.ts";
import { markLive } from "./mark.ts";
import type { TabledPack } from "./pack-table.ts";
import { prepareTarget, ReplicaTarget } from "./replica-target.ts";

export interface ReplicateOptions {
  /** Ids of the copies; all when missing. */
  readonly copies?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ReplicateProgress) => void;
}

export interface ReplicateProgress {
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface ReplicateResult {
  /** Ids of the copies that the target did not have before. */
  readonly copied: readonly string[];
  /** Ids of copies that the target had. */
  readonly present: readonly string[];
  /** Ids of copies that are damaged in the source, and not replicated. */
  readonly damaged: readonly string[];
  readonly packsCopied: number;
  readonly bytesCopied: number;
  /** Key slots that open the target and not the source any more. */
  readonly slotsOnlyInTarget: readonly string[];
}

/** Each time a cleaner repacked what was about to be copied. */
const ATTEMPTS_MAX = 5;

/**
 * Copies what the target lacks. Needs the table key only.
 *
 * @throws AppError `ERR_SAME_PLACE` when the target is the source, `ERR_REPOSITORY_MISMATCH` when it is another repository, `ERR_CLEAN_FIRST` when it is about to delete
 * packs that are needed, `ERR_COPY_NOT_FOUND`, `ERR_DAMAGED`, `ERR_SESSION_LOST`, `ERR_CANCELLED`, or an error of a storage.
 */
export async function replicate(
  source: Repository,
  target: Storage,
  options: ReplicateOptions = {},
): Promise<ReplicateResult> {
  const slotsOnlyInTarget = await prepareTarget(source.ports.storage, target);
  const replica = await ReplicaTarget.begin(source, target);
  try {
    await refuseSamePlace(source.ports.storage, replica);
    return { ...(await new Replication(source, replica, options).run()), slotsOnlyInTarget };
  } finally {
    await replica.end();
  }
}

/** One place can have many names; what was just written to the target tells. */
async function refuseSamePlace(source: Storage, { session, repository }: ReplicaTarget): Promise<void> {
  if ((await source.stat(sessionObjectName(session.id, FIRST_BEAT))) === null) return;
  const { location } = repository.ports.storage;
  throw new AppError("ERR_SAME_PLACE", `The target ${location} is the repository itself.`, {
    subject: location,
    remedy: "A replica protects only in another place: name one on another disk or machine.",
  });
}

class Replication {
  readonly #source: Repository;
  readonly #target: ReplicaTarget;
  readonly #options: ReplicateOptions;
  /** In hex: in the target by now. */
  readonly #arrived = new Set<string>();
  readonly #damagedPacks = new Set<string>();
  #packsCopied = 0;
  #bytesCopied = 0;

  constructor(source: Repository, target: ReplicaTarget, options: ReplicateOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<Omit<ReplicateResult, "slotsOnlyInTarget">> {
    const { wanted, present } = await this.#chooseCopies();
    for (let attempt = 1; wanted.length > 0; attempt += 1) {
      try {
        await this.#copyPacks(wanted);
        break;
      } catch (error) {
        if (!isAppError(error, "ERR_STORAGE_NOT_FOUND") || attempt === ATTEMPTS_MAX) throw error;
      }
    }
    await this.#target.flushIndex();
    const copied: string[] = [];
    const damaged: string[] = [];
    for (const copy of wanted) {
      if (!(await this.#isComplete(copy))) damaged.push(copy.id);
      else if (await this.#copyManifest(copy)) copied.push(copy.id);
    }
    if (copied.length > 0) await this.#target.compactIndex();
    return { copied, present, damaged, packsCopied: this.#packsCopied, bytesCopied: this.#bytesCopied };
  }

  async #chooseCopies(): Promise<{ readonly wanted: ListedCopy[]; readonly present: string[] }> {
    const list = await listCopies(this.#source.ports.storage, this.#source.keys);
    const chosen = this.#options.copies;
    const [damaged] = list.damaged;
    if (chosen === undefined && damaged !== undefined) throw damaged;
    const known = new Map(list.copies.map((copy) => [copy.id, copy]));
    const missing = chosen?.find((id) => !known.has(id));
    if (missing !== undefined) {
      throw new AppError("ERR_COPY_NOT_FOUND", `There is no copy "${missing}".`, {
        subject: missing,
        remedy: "`holdfast copies` shows the ids of all copies.",
      });
    }
    const { storage } = this.#target.repository.ports;
    const wanted: ListedCopy[] = [];
    const present: string[] = [];
    for (const copy of list.copies) {
      if (chosen !== undefined && !chosen.includes(copy.id)) continue;
      if ((await storage.stat(copy.name)) === null) wanted.push(copy);
      else present.push(copy.id);
    }
    return { wanted, present };
  }

  /** @throws AppError `ERR_STORAGE_NOT_FOUND` when a pack was repacked or its copy forgotten meanwhile. */
  async #copyPacks(wanted: readonly ListedCopy[]): Promise<void> {
    const { signal } = this.#options;
    using live = await markLive(this.#source, wanted, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: () => this.#target.session.keepAlive(),
    });
    const packs = await this.#lackingPacks(live);
    const [blocked] = packs.filter(({ sha256: hash }) => this.#target.isCondemned(hash.toString("hex")));
    if (blocked !== undefined) throw cleanFirst(this.#target.repository.ports.storage.location);
    const bytesTotal = packs.reduce((sum, { length }) => sum + length, 0);
    let bytesDone = 0;
    for (const [packsDone, pack] of packs.entries()) {
      this.#options.onProgress?.({ packsDone, packsTotal: packs.length, bytesDone, bytesTotal });
      await this.#copyPack(pack);
      bytesDone += pack.length;
    }
  }

  /** Packs with a needed chunk that the target does not have. */
  async #lackingPacks(live: LiveChunks): Promise<TabledPack[]> {
    const { packs, segments } = live.index;
    const lacking = new Uint8Array(packs.count);
    for (const segment of segments) {
      await forEachEntry(
        segment,
        () => this.#pause(),
        (entries, at, entry, pack) => {
          if (lacking[pack] === 1 || !segment.needed.has(entry)) return;
          if (!this.#target.index.has(entries, at)) lacking[pack] = 1;
        },
      );
    }
    const found: TabledPack[] = [];
    for (const [number, lacks] of lacking.entries()) if (lacks === 1) found.push(packs.get(number));
    return found.filter(({ sha256: hash }) => !this.#arrived.has(hash.toString("hex")));
  }

  async #copyPack(pack: TabledPack): Promise<void> {
    await this.#pause();
    const { ports, keys } = this.#source;
    const hex = pack.sha256.toString("hex");
    const name = packName(pack.sha256);
    if (!(await this.#target.adopt(pack))) {
      const bytes = await ports.storage.get(name, undefined, this.#options.signal);
      if (!sha256(bytes).equals(pack.sha256)) {
        this.#damagedPacks.add(hex);
        return;
      }
      await this.#target.storePack(pack, bytes, openPackInMemory(bytes, keys, name).directory);
      this.#packsCopied += 1;
      this.#bytesCopied += bytes.length;
    }
    this.#arrived.add(hex);
  }

  /** Only when a pack could not be copied is it worth a look which copies lack something. */
  async #isComplete(copy: ListedCopy): Promise<boolean> {
    if (this.#damagedPacks.size === 0) return true;
    try {
      (await markLive(this.#target.repository, [copy], { unpublished: true }))[Symbol.dispose]();
      return true;
    } catch (error) {
      if (isAppError(error, "ERR_DAMAGED")) return false;
      throw error;
    }
  }

  /** False when the copy was forgotten meanwhile. */
  async #copyManifest(copy: ListedCopy): Promise<boolean> {
    await this.#pause();
    const bytes = await getIfThere(this.#source.ports.storage, copy.name);
    if (bytes === undefined) return false;
    checkNamedByHash(bytes, copy.name);
    await this.#target.storeManifest(copy.name, bytes);
    return true;
  }

  async #pause(): Promise<void> {
    if (this.#options.signal?.aborted === true) {
      throw new AppError("ERR_CANCELLED", "The replication was cancelled.", {
        remedy: "Run it again: it goes on where it ended.",
      });
    }
    await this.#target.session.keepAlive();
  }
}

function cleanFirst(location: string): AppError {
  return new AppError("ERR_CLEAN_FIRST", `${location} is about to delete packs that the copies need.`, {
    subject: location,
    remedy: "Run `holdfast clean` on the target until nothing is pending, then replicate again.",
  });
}
