/**
 * Verifies a repository: every object, every reference and, when asked for, every byte of content.
 *
 * Objects are read once, by `checkObjects`; meanwhile the references of the copies are followed as far as the index tells that their
 * chunks exist. Only when something is wrong the copies are gone through again, to find out which paths it touches.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { type ChunkPlace, openChunkIndex } from "../chunk-index/index.ts";
import type { ListedCopy } from "../copies/copies.ts";
import { hashOfName, packName } from "../format/object-names.ts";
import { type KeySet, requireKey } from "../keys/key-set.ts";
import { type OpenedIndex, openIndexForReading, rebuildSegments } from "../reading/open-index.ts";
import { readingKeys } from "../reading/posted-keys.ts";
import { RecordDecoder } from "../reading/record-decoder.ts";
import { RecordReader } from "../reading/record-reader.ts";
import type { Repository } from "../repository.ts";
import { listCondemned } from "../sessions/condemned.ts";
import { checkCopies } from "./check-copies.ts";
import type { DirectorySumValues } from "./directory-sum.ts";
import { TouchedFinder } from "./find-touched.ts";
import { findDisagreements, sumIndex } from "./index-sums.ts";
import { KnownPacks } from "./known-packs.ts";
import { type ListedObject, listObjects } from "./object-list.ts";
import { type CheckedObject, checkObjects } from "./object-pass.ts";
import { ReferenceWalk } from "./reference-walk.ts";
import { RefsWalk } from "./refs-walk.ts";
import { DamageReport, type FoundDamage, type VerifyProgress, type VerifyResult } from "./report.ts";
import { isSmall } from "./verify-objects.ts";
import { VerifyTally } from "./verify-tally.ts";

export interface VerifyRequest {
  /** Ids of copies: only they and what they need are verified. All copies and all objects when absent. */
  readonly copies?: readonly string[];
  /** Open every record and compare every chunk with its id. Takes the read capability. */
  readonly readData: boolean;
  /** Threads; default: the number of cores, at most 4. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly onDamage?: (found: FoundDamage) => void;
}

/**
 * Verifies what the keys of the repository allow: with the read capability everything; with the table key alone checksums,
 * directories and references, but neither content nor paths.
 *
 * @throws AppError `ERR_COPY_NOT_FOUND`, `ERR_CAPABILITY`, `ERR_CANCELLED`, errors of the storage. Damage is a result.
 */
export async function verifyRepository(
  repository: Repository,
  request: VerifyRequest,
): Promise<VerifyResult> {
  const verification = new Verification(repository, request);
  try {
    return await verification.run();
  } finally {
    verification.close();
  }
}

interface Referenced {
  /** Something could not be found, or not be read. */
  readonly isDirty: boolean;
}

class Verification {
  readonly #storage: Storage;
  readonly #keys: KeySet;
  readonly #request: VerifyRequest;
  readonly #report: DamageReport;
  readonly #repository: Repository;
  readonly #decoder: RecordDecoder | undefined;
  /** Stops the rest when one part fails. */
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  #opened: OpenedIndex | undefined;

  constructor(repository: Repository, request: VerifyRequest) {
    this.#repository = repository;
    this.#storage = repository.ports.storage;
    this.#keys = repository.keys;
    this.#request = request;
    this.#report = new DamageReport(request.onDamage);
    if (request.readData) requireKey(repository.keys, "privateSeed");
    this.#decoder =
      repository.keys.privateSeed === undefined ? undefined : new RecordDecoder(repository.keys);
    this.#signal =
      request.signal === undefined
        ? this.#abort.signal
        : AbortSignal.any([this.#abort.signal, request.signal]);
  }

  close(): void {
    this.#decoder?.wipe();
    this.#opened?.[Symbol.dispose]();
  }

  async run(): Promise<VerifyResult> {
    const { copies: wanted } = this.#request;
    const objects = await listObjects(this.#storage, this.#signal);
    const packs = new KnownPacks(objects);
    const keyring = this.#decoder?.keyring;
    const chosen = wanted === undefined ? objects : objects.filter((object) => isChosen(object, wanted));
    const tally = new VerifyTally(chosen, this.#request.onProgress);
    const small = chosen.filter(isSmall);
    const parts = { storage: this.#storage, keys: this.#keys, keyring, report: this.#report, tally };
    const copies = await checkCopies(small, parts);
    this.#throwIfUnknown(wanted, objects);
    const opened = await openIndexForReading(this.#storage, this.#keys, {
      cacheDir: this.#repository.ports.cacheDir,
      checkFrames: true,
      signal: this.#signal,
      onDamaged: (name, error) => {
        this.#report.add(name, error.message);
      },
    });
    this.#opened = opened;
    const sums = new Map<string, DirectorySumValues>();
    const needed = wanted === undefined ? undefined : new Set<string>();
    const large = chosen.filter((object) => !isSmall(object));
    const check = (list: readonly ListedObject[]): Promise<void> =>
      this.#checkObjects(list, packs, sums, tally);
    let references: Referenced;
    if (needed === undefined) {
      [, references] = await this.#both(check(large), this.#followReferences(copies, opened, packs));
    } else {
      references = await this.#followReferences(copies, opened, packs, needed);
      await check(large.filter(({ name, kind }) => kind === "index" || needed.has(name)));
    }
    await this.#compareWithIndex(objects, opened, packs, sums, needed);
    if (packs.hasSuspicious || references.isDirty) await this.#findTouched(copies, opened, packs);
    return { ...tally.counts, damaged: this.#report.finish() };
  }

  /** Waits for both to end, and stops the other one when one fails. */
  async #both<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
    const stop = (): void => {
      this.#abort.abort(new AppError("ERR_CANCELLED", "The verification was stopped."));
    };
    one.catch(stop);
    other.catch(stop);
    await Promise.allSettled([one, other]);
    return Promise.all([one, other]);
  }

  async #checkObjects(
    objects: readonly ListedObject[],
    packs: KnownPacks,
    sums: Map<string, DirectorySumValues>,
    tally: VerifyTally,
  ): Promise<void> {
    const { readData, workers } = this.#request;
    const level = readData ? "data" : "directories";
    const keys = readingKeys(this.#keys);
    const setup = { level, repository: keys.repository, keys } as const;
    await checkObjects(this.#storage, objects, { setup, workers, signal: this.#signal }, (checked) => {
      this.#note(checked, packs, sums);
      if (!checked.gone) tally.add(checked.bytes);
    });
  }

  #note(
    { object: { name, kind }, problems, sum, gone }: CheckedObject,
    packs: KnownPacks,
    sums: Map<string, DirectorySumValues>,
  ): void {
    for (const problem of problems) this.#report.add(name, problem);
    if (kind !== "pack") return;
    if (problems.length > 0) packs.suspect(name);
    if (gone) packs.remove(name);
    if (sum !== undefined) sums.set(name, sum);
  }

  /** @param needed takes the names of the packs that the copies are read from. */
  async #followReferences(
    copies: readonly ListedCopy[],
    opened: OpenedIndex,
    packs: KnownPacks,
    needed?: Set<string>,
  ): Promise<Referenced> {
    const { index } = opened;
    const walk = this.#newWalk(opened);
    let isDirty = false;
    for (const copy of copies) {
      const isWhole = await walk.walkCopy(copy, {
        chunk: (id, length) => {
          const isSound = (candidate: ChunkPlace): boolean => packs.isSound(candidate, length);
          const first = index.lookup(id);
          const place = first !== undefined && isSound(first) ? first : index.places(id).find(isSound);
          if (place !== undefined) needed?.add(packName(place.pack));
          return place !== undefined;
        },
        record: (id) => {
          const place = needed === undefined ? undefined : index.lookup(id);
          if (place !== undefined) needed?.add(packName(place.pack));
        },
        lost: () => undefined,
        total: (entries, fileBytes) => {
          const { root } = copy.table;
          if (root.entries === entries && root.bytes === fileBytes) return;
          this.#report.add(copy.name, "Its sums are not those of its tree.");
          this.#report.touch(copy.name, copy.id);
        },
      });
      isDirty ||= !isWhole;
    }
    return { isDirty };
  }

  #newWalk({ index }: OpenedIndex): ReferenceWalk | RefsWalk {
    if (this.#decoder === undefined) {
      return new RefsWalk({ storage: this.#storage, keys: this.#keys, index, signal: this.#signal });
    }
    return new ReferenceWalk(new RecordReader(this.#storage, index, this.#decoder).readRecord, this.#signal);
  }

  /** Packs that are gone, and those about which the index and their own directory say different things. */
  async #compareWithIndex(
    objects: readonly ListedObject[],
    { snapshot }: OpenedIndex,
    packs: KnownPacks,
    sums: ReadonlyMap<string, DirectorySumValues>,
    needed: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const indexed = await sumIndex(snapshot);
    const listed = new Set(objects.map(({ name }) => name));
    const missing: string[] = [];
    const differing = new Map<string, DirectorySumValues>();
    for (const [key, { sum }] of indexed) {
      const name = packName(Buffer.from(key, "latin1"));
      if (needed !== undefined && !needed.has(name)) continue;
      const own = sums.get(name);
      if (!listed.has(name) || !packs.has(Buffer.from(key, "latin1"))) missing.push(name);
      else if (own !== undefined && !sum.equals(own)) differing.set(name, own);
    }
    await this.#reportMissing(missing, packs);
    const wrong = await findDisagreements(this.#storage, this.#keys, snapshot, differing);
    for (const name of wrong) {
      this.#report.add(name, "Its directory and the index do not say the same.");
      packs.suspect(name);
    }
  }

  /** A pack that a cleaner has deleted meanwhile is missed by nobody. */
  async #reportMissing(names: readonly string[], packs: KnownPacks): Promise<void> {
    if (names.length === 0) return;
    const condemned = await listCondemned(this.#storage, this.#keys.repository, this.#keys.tableKey);
    const condemnedPacks = new Set(condemned.flatMap((one) => one.packs));
    using fresh = await openIndexForReading(this.#storage, this.#keys, { signal: this.#signal });
    const named = fresh.index.packNames();
    for (const name of names) {
      const hash = hashOfName(name);
      if (hash === undefined || !named.has(hash) || condemnedPacks.has(hash.toString("hex"))) continue;
      this.#report.add(name, "It is missing, but the index names it.");
      packs.suspect(name);
    }
  }

  async #findTouched(copies: readonly ListedCopy[], opened: OpenedIndex, packs: KnownPacks): Promise<void> {
    const { snapshot } = opened;
    const rebuilt = await rebuildSegments(this.#storage, this.#keys, snapshot);
    // What only packs tell that no segment names is found as well: a restore looks there, too.
    const index = openChunkIndex({ ...snapshot, segments: [...snapshot.segments, ...rebuilt] });
    const indexed = rebuilt.length === 0 ? undefined : opened.index;
    // With session keys of packs alone, as a restore has them: those of manifests would hide a damaged envelope.
    const decoder = this.#decoder === undefined ? undefined : new RecordDecoder(this.#keys);
    const reader = decoder === undefined ? undefined : new RecordReader(this.#storage, index, decoder);
    const finder = new TouchedFinder({ index, indexed, packs, report: this.#report, reader });
    const walk = this.#newWalk({ ...opened, index });
    try {
      for (const copy of copies) await walk.walkCopy(copy, finder.visitor(copy));
    } finally {
      decoder?.wipe();
    }
  }

  #throwIfUnknown(wanted: readonly string[] | undefined, objects: readonly ListedObject[]): void {
    const known = new Set(objects.map(({ name }) => name));
    const unknown = wanted?.find((id) => !known.has(`copies/${id}`));
    if (unknown === undefined) return;
    throw new AppError("ERR_COPY_NOT_FOUND", `There is no copy "${unknown}".`, {
      subject: unknown,
      remedy: "`holdfast copies` shows the ids of all copies.",
    });
  }
}

/** With copies named: what every restore needs, and these manifests. */
function isChosen({ name, kind }: ListedObject, wanted: readonly string[]): boolean {
  if (kind === "copy") return wanted.includes(name.slice("copies/".length));
  return kind !== "session" && kind !== "condemned" && kind !== "wait";
}
