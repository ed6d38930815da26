/**
 * One run of a cleaner, in the order that docs/format.md, section 9, prescribes. It can be cut anywhere.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";
import type { ListedCopy } from "../copies/copies.ts";
import { sha256 } from "@holdfast/crypto";
import { packName } from "../format/object-names.ts";
import type { Repository } from "../repository.ts";
import {
  closeSession,
  listSessions,
  removeOldFence,
  type SeenSession,
  type Session,
} from "../sessions/session.ts";
import { getIfThere } from "../storage-reading.ts";
import {
  type ChosenPack,
  deadPacks,
  isRecordNeeded,
  listPacks,
  packsToRepack,
  type RepackedPack,
} from "./choose-packs.ts";
import {
  beforeAll,
  type CleanOptions,
  type CleanPhase,
  type CleanResult,
  REPACK_BELOW,
  waitedSession,
} from "./clean-options.ts";
import {
  advance,
  condemn,
  type Condemned,
  type CondemnationPorts,
  isDoneForAll,
  listCondemnedState,
  noteDone,
  type PendingReason,
  release,
} from "./condemnations.ts";
import type { LiveChunks } from "./live-chunks.ts";
import { listWholeCopies, markLive } from "./mark.ts";
import { NewPacks } from "./new-packs.ts";
import { repairIndex } from "./repair-index.ts";
import { Sweeper } from "./sweeper.ts";

interface OtherSessions {
  readonly alive: readonly SeenSession[];
  /** Some session was lost that may come back. */
  readonly hasFences: boolean;
}

/** What came of every condemned object. */
interface Judged {
  readonly ready: readonly Condemned[];
  /** Their packs were deleted by an earlier run. */
  readonly done: readonly Condemned[];
  readonly pending: readonly Condemned[];
  readonly reason: PendingReason | undefined;
}

interface Survey {
  readonly live: LiveChunks;
  readonly orphans: readonly ChosenPack[];
  /** Packs, in hex, that copies need, that are missing or damaged, and that are not condemned yet. */
  readonly unsound: readonly string[];
}

export class Cleaner {
  readonly #repository: Repository;
  readonly #options: CleanOptions;
  readonly #session: Session;
  readonly #condemnationPorts: CondemnationPorts;
  readonly #damagedPacks: string[] = [];
  #missingPacks: readonly string[] = [];
  readonly #orphanLengths = new Map<string, number>();
  #bytesWritten = 0;
  #indexRepaired = false;

  constructor(repository: Repository, options: CleanOptions, session: Session) {
    this.#repository = repository;
    this.#options = options;
    this.#session = session;
    this.#condemnationPorts = { ...repository.ports, keys: repository.keys };
  }

  async run(): Promise<CleanResult> {
    const sessions = await this.#otherSessions();
    refuseOtherCleaner(sessions.alive);
    const { condemned: old, useless } = await listCondemnedState(this.#condemnationPorts);
    for (const name of useless) await this.#repository.ports.storage.delete(name);
    const copies = await listWholeCopies(this.#repository);
    const survey = await this.#survey(copies, packsOf(old), sessions.alive);
    using live = survey.live;
    const { repacked, condemned: fresh } = await this.#condemn(survey, packsOf(old));
    const now = await this.#otherSessions();
    const judged = await this.#judge([...old, ...fresh], now.alive);
    const swept = await this.#sweep({ live, copies, judged, repacked, hasFences: now.hasFences });
    const pending = packsOf(judged.pending);
    return {
      ...swept,
      packsRepacked: repacked.length,
      bytesWritten: this.#bytesWritten,
      packsPending: pending.size,
      bytesPending: live.lengthOf(pending) + sum(pending, this.#orphanLengths),
      ...(judged.reason === undefined ? {} : { pendingReason: judged.reason }),
      waitingFor: judged.reason === "sessions" ? now.alive.map(waitedSession) : [],
      damagedPacks: this.#damagedPacks,
      missingPacks: this.#missingPacks,
      indexRepaired: this.#indexRepaired,
    };
  }

  /** Sees to it that sessions that are over stay over, before anybody looks at what they left. */
  async #otherSessions(): Promise<OtherSessions> {
    const { ports, keys } = this.#repository;
    const sessions = await listSessions(ports, keys, this.#session.id);
    const nowMs = await this.#session.sinceMs();
    let hasFences = false;
    for (const seen of sessions) {
      if (await removeOldFence(ports.storage, seen, nowMs)) continue;
      await closeSession(ports.storage, seen);
      hasFences ||= seen.state === "lost" || seen.state === "fenced";
    }
    return { alive: sessions.filter(({ state }) => state === "alive"), hasFences };
  }

  /**
   * What copies need. Where a chunk stands in a pack that is missing or damaged and in another one too, it is needed from that:
   * else the only good place would be given back.
   */
  async #survey(
    copies: readonly ListedCopy[],
    condemned: ReadonlySet<string>,
    alive: readonly SeenSession[],
  ): Promise<Survey> {
    const { damagedPacks = [] } = this.#options;
    const beforeMs = beforeAll(alive, await this.#session.sinceMs());
    let live = await this.#lookOrRepair(copies, condemned, alive.length === 0);
    try {
      let listed = await listPacks(this.#repository, live, condemned, beforeMs);
      const unsound = [...listed.missing, ...damagedPacks.filter((hex) => live.isPackNeeded(hex))];
      const avoid = new Set([...condemned, ...unsound]);
      if (avoid.size > condemned.size) {
        live[Symbol.dispose]();
        live = await this.#look("looking", copies, avoid);
        listed = await listPacks(this.#repository, live, avoid, beforeMs);
      }
      this.#missingPacks = listed.missing;
      for (const { hex, length } of listed.orphans) this.#orphanLengths.set(hex, length);
      return {
        live,
        orphans: listed.orphans,
        unsound: unsound.filter((hex) => !condemned.has(hex) && live.isPackNeeded(hex)),
      };
    } catch (error) {
      live[Symbol.dispose]();
      throw error;
    }
  }

  /** What no index says may stand in packs all the same: then the index is written anew first. */
  async #lookOrRepair(
    copies: readonly ListedCopy[],
    condemned: ReadonlySet<string>,
    isAlone: boolean,
  ): Promise<LiveChunks> {
    try {
      return await this.#look("looking", copies, condemned);
    } catch (error) {
      if (!isAppError(error, "ERR_DAMAGED")) throw error;
      const { signal } = this.#options;
      const isRepaired = await repairIndex(this.#repository, this.#session, {
        isAlone,
        ...(signal === undefined ? {} : { signal }),
      });
      if (!isRepaired) throw error;
      this.#indexRepaired = true;
      return this.#look("looking", copies, condemned);
    }
  }

  /**
   * Condemns what no copy needs, and what copies need but cannot have: so nobody relies on it any more, and what a backup still
   * finds is stored anew.
   */
  async #condemn(
    { live, orphans, unsound }: Survey,
    condemned: ReadonlySet<string>,
  ): Promise<{ readonly repacked: readonly RepackedPack[]; readonly condemned: readonly Condemned[] }> {
    const { repackBelow = REPACK_BELOW, damagedPacks = [] } = this.#options;
    this.#damagedPacks.push(...damagedPacks.filter((hex) => live.isPackNeeded(hex)));
    const dead = deadPacks(live, condemned);
    const avoid = new Set([...condemned, ...unsound]);
    const chosen = await packsToRepack(this.#repository, live, avoid, repackBelow);
    const repacked = await this.#repack(live, chosen);
    const going = [...dead, ...orphans, ...repacked].map(({ hex }) => hex);
    const lost = new Set([...unsound, ...this.#damagedPacks].filter((hex) => !condemned.has(hex)));
    await this.#session.prove();
    const ports = this.#condemnationPorts;
    return { repacked, condemned: [...(await condemn(ports, going)), ...(await condemn(ports, [...lost]))] };
  }

  /** Returns the packs that are not needed any more, because everything needed in them stands in new ones. */
  async #repack(live: LiveChunks, chosen: readonly RepackedPack[]): Promise<readonly RepackedPack[]> {
    const packs = new NewPacks(this.#repository, this.#session);
    const repacked: RepackedPack[] = [];
    for (const pack of chosen.toSorted((one, other) => one.kind - other.kind)) {
      await this.#step("repacking", repacked.length, chosen.length);
      const { hex, number, kind } = pack;
      const hash = Buffer.from(hex, "hex");
      const bytes = await getIfThere(this.#repository.ports.storage, packName(hash));
      try {
        if (bytes === undefined || !sha256(bytes).equals(hash)) throw damagedPack(hex);
        await packs.copy({ sha256: hash, kind, length: bytes.length }, bytes, (record) =>
          isRecordNeeded(live, number, record),
        );
        repacked.push(pack);
      } catch (error) {
        // Copying it would hide the damage under a new name.
        if (!isAppError(error, "ERR_DAMAGED")) throw error;
        this.#damagedPacks.push(hex);
      }
    }
    this.#bytesWritten = await packs.finish();
    return repacked;
  }

  async #judge(condemned: readonly Condemned[], alive: readonly SeenSession[]): Promise<Judged> {
    const ready: Condemned[] = [];
    const pending: Condemned[] = [];
    let reason: PendingReason | undefined;
    const sessions = alive.map(({ session }) => session);
    for (const one of condemned.filter((other) => !isDone(other))) {
      const verdict = await advance(this.#condemnationPorts, one, sessions);
      if (verdict === "ready") ready.push(one);
      else pending.push(one);
      if (verdict !== "ready") reason = reason === "sessions" ? reason : verdict;
    }
    return { ready, pending, done: condemned.filter(isDone), reason };
  }

  async #sweep(found: {
    readonly live: LiveChunks;
    readonly copies: readonly ListedCopy[];
    readonly judged: Judged;
    readonly repacked: readonly RepackedPack[];
    readonly hasFences: boolean;
  }): Promise<{ readonly packsDeleted: number; readonly bytesFreed: number }> {
    const { live, copies, judged, repacked, hasFences } = found;
    const { ready, pending, done } = judged;
    const copiesNow = await listWholeCopies(this.#repository);
    const known = new Set(copies.map(({ id }) => id));
    const isSame = repacked.length === 0 && copiesNow.every(({ id }) => known.has(id));
    const all = packsOf([...ready, ...pending, ...done]);
    using again = isSame || ready.length === 0 ? undefined : await this.#look("checking", copiesNow, all);
    const needs = again ?? live;
    const sweeper = new Sweeper(this.#repository, this.#session, (step, total) =>
      this.#step("deleting", step, total),
    );
    const unneeded = (condemned: readonly Condemned[]): string[] =>
      [...packsOf(condemned)].filter((hex) => !needs.isPackNeeded(hex));
    const going = unneeded(ready);
    await sweeper.dropFromIndex(new Set([...going, ...unneeded(done)]));
    const bytesFreed = await sweeper.deletePacks(
      going,
      (hex) => needs.length(hex) ?? this.#orphanLengths.get(hex),
    );
    await this.#release(await this.#withoutLost(ready, needs), done, hasFences);
    return { packsDeleted: going.length, bytesFreed };
  }

  /** Condemned objects stay while somebody may bring back an index entry of what is deleted, or not see it yet. */
  async #release(ready: readonly Condemned[], done: readonly Condemned[], hasFences: boolean): Promise<void> {
    const ports = this.#condemnationPorts;
    const mustStay = hasFences || !ports.storage.capabilities.listConsistent;
    for (const one of ready) await (mustStay ? noteDone(ports, one) : release(ports, one));
    for (const one of done) if (!hasFences && isDoneForAll(ports, one)) await release(ports, one);
  }

  /** Those that stay condemned: copies still need a pack of theirs that is missing or damaged. */
  async #withoutLost(ready: readonly Condemned[], needs: LiveChunks): Promise<readonly Condemned[]> {
    const released: Condemned[] = [];
    for (const one of ready) {
      const needed = one.packs.filter((hex) => needs.isPackNeeded(hex));
      let isLost = false;
      for (const hex of needed) isLost ||= !(await this.#isSound(hex));
      if (!isLost) released.push(one);
    }
    return released;
  }

  async #isSound(hex: string): Promise<boolean> {
    const hash = Buffer.from(hex, "hex");
    const bytes = await getIfThere(this.#repository.ports.storage, packName(hash));
    return bytes !== undefined && sha256(bytes).equals(hash);
  }

  #look(phase: CleanPhase, copies: readonly ListedCopy[], avoid: ReadonlySet<string>): Promise<LiveChunks> {
    const { signal } = this.#options;
    return markLive(this.#repository, copies, {
      avoid,
      ...(signal === undefined ? {} : { signal }),
      onProgress: (records) => this.#step(phase, records, 0),
    });
  }

  async #step(phase: CleanPhase, done: number, total: number): Promise<void> {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted === true) {
      throw new AppError("ERR_CANCELLED", "Cleaning was cancelled.", {
        remedy: "Run it again: it goes on from what is there.",
      });
    }
    await this.#session.keepAlive();
    onProgress?.({ phase, done, total });
  }
}

function isDone({ waits }: Condemned): boolean {
  return waits.some((wait) => wait.isDone);
}

function packsOf(condemned: readonly Condemned[]): Set<string> {
  return new Set(condemned.flatMap(({ packs }) => packs));
}

function sum(keys: Iterable<string>, values: ReadonlyMap<string, number>): number {
  return [...keys].reduce((total, key) => total + (values.get(key) ?? 0), 0);
}

function refuseOtherCleaner(alive: readonly SeenSession[]): void {
  const other = alive.find(({ beat }) => beat?.role === "cleaner");
  if (other?.beat === undefined) return;
  const { host, processId } = other.beat.process;
  throw new AppError(
    "ERR_CLEANER_ACTIVE",
    `Another clean-up is at work: process ${String(processId)} on ${host}.`,
    {
      subject: other.session,
      remedy:
        "Wait until it has ended. If its machine is gone, it is taken for lost a day after its last sign of life.",
    },
  );
}

function damagedPack(hex: string): AppError {
  return new AppError("ERR_DAMAGED", `The object ${packName(Buffer.from(hex, "hex"))} is damaged.`);
}
