/**
 * A simulated world: storages, processes that use them, and what must hold whatever they do:
 *
 * - every copy whose manifest exists can be read as it was, at any moment, until somebody forgets it;
 * - nobody who reads such a copy fails for ever;
 * - when everybody has gone, cleaning gives back everything that no copy needs.
 */
import assert from "node:assert/strict";
import { type Clock, isAppError } from "@holdfast/kernel";
import { MemoryStorage, type Storage } from "@holdfast/storage";
import { suiteFor } from "@holdfast/crypto";
import { listCopies } from "../src/copies/copies.ts";
import type { KeySet } from "../src/keys/key-set.ts";
import {
  createRepository,
  openRepository,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
} from "../src/repository.ts";
import { type CopyContents, readCopies } from "./read-copy.ts";
import { SimulatedClock, wrongClock } from "./simulation-clock.ts";
import type { SeededRandom } from "./simulation-random.ts";
import { type ProcessFate, SimulatedDisk, SimulatedStorage } from "./simulation-storage.ts";

const SEED = Buffer.alloc(32, 7);
const START_MS = Date.UTC(2026, 0, 1);
const HOSTS = ["alpha", "beta", "gamma"];

/** Thrown when something that must hold does not. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export interface ExpectedCopy {
  readonly contents: CopyContents;
  /** Somebody has begun to forget it: it may be there or not. */
  isForgotten: boolean;
}

/** One repository, or a replica of it. */
export interface Place {
  readonly name: string;
  readonly disk: SimulatedDisk;
  /** Copies that somebody was told are done, by id. */
  readonly copies: Map<string, ExpectedCopy>;
  /** Manifests that a lost session created, by the storage of its process: it deletes them unless it dies right then. */
  readonly late: Map<string, SimulatedStorage>;
}

/** A running program, with a storage that may end it. */
export interface SimulatedProcess {
  readonly storage: SimulatedStorage;
  readonly repository: Repository;
}

/** What one kind of process sees instead of the truth; for showing that the simulation notices. */
export type Distortion = (storage: Storage) => Storage;

export class SimulatedWorld {
  readonly random: SeededRandom;
  readonly clock: SimulatedClock;
  readonly places: readonly Place[];
  /** Clocks of machines may be wrong by years where that must not matter. */
  readonly #clockErrorMs: number;
  readonly #ended = new Set<number>();
  readonly #firstObjects = new Map<SimulatedStorage, string>();
  #keys: KeySet | undefined;
  #repository: Repository | undefined;
  #processes = 0;

  constructor(random: SeededRandom, staleMs: number, clockErrorMs: number) {
    this.random = random;
    this.clock = new SimulatedClock(START_MS);
    this.#clockErrorMs = clockErrorMs;
    this.places = ["primary", "replica"].map((name) => {
      const objects = new MemoryStorage({
        clock: this.clock,
        capabilities: { listConsistent: staleMs === 0 },
      });
      const disk = new SimulatedDisk(objects, this.clock, staleMs);
      return { name, disk, copies: new Map(), late: new Map() };
    });
  }

  place(name: "primary" | "replica"): Place {
    const place = this.places.find((one) => one.name === name);
    assert(place !== undefined);
    return place;
  }

  /** Makes the primary repository. */
  async begin(): Promise<void> {
    const { disk } = this.place("primary");
    const ports = this.#ports(disk.objects, "nobody", this.clock);
    const target = { kind: "recovery", publicKey: recoveryPublicKey(SEED) } as const;
    await createRepository(ports, { suite: suiteFor("gcm", "low"), slot: { target, label: "" } });
    for (const info of await disk.listing("")) disk.remember(info);
    this.#repository = await openRepository(ports, { kind: "recovery", seed: SEED }, [
      "write",
      "maintain",
      "read",
    ]);
    this.#keys = this.#repository.keys;
  }

  /** The repository in a place as it is: no time passes, and nothing can go wrong. */
  truth(place: Place): Repository {
    assert(this.#repository !== undefined);
    return { ...this.#repository, ports: this.#ports(place.disk.objects, "nobody", this.clock) };
  }

  /** A new process; `distort` lets it see something else than the truth. */
  process(place: Place, fate: ProcessFate, distort: Distortion = (storage) => storage): SimulatedProcess {
    assert(this.#repository !== undefined);
    const storage = new SimulatedStorage(place.disk, this.random.fork(), fate, (kind, name, by) =>
      this.#observe(place, kind, name, by),
    );
    const host = this.random.pick(HOSTS) ?? "";
    const error = (this.random.fraction() * 2 - 1) * this.#clockErrorMs;
    const offsetMs = this.random.chance(0.3) ? Math.trunc(error) : 0;
    const clock = wrongClock(this.clock, offsetMs, () => storage.pausedMs);
    return {
      storage,
      repository: { ...this.#repository, ports: this.#ports(distort(storage), host, clock) },
    };
  }

  /**
   * Says that a process has ended, so that others of its machine can know.
   *
   * @throws Violation when it leaves a manifest that it published after others had given it up.
   */
  end(process: SimulatedProcess): void {
    this.#ended.add(process.repository.ports.process.processId);
    if (process.storage.isDead) return;
    for (const { late } of this.places) {
      for (const [name, by] of late) if (by === process.storage) throw new Violation(`${name} came too late`);
    }
  }

  /** Reads everything that must be readable. @throws Violation. */
  async check(): Promise<void> {
    for (const place of this.places) await this.#checkPlace(place);
  }

  async #checkPlace(place: Place): Promise<void> {
    const { copies, damaged } = await listCopies(place.disk.objects, this.#requireKeys());
    if (damaged.length > 0) throw new Violation(`${place.name}: a manifest is damaged`);
    const there = new Set(copies.map(({ id }) => id));
    for (const [id, { isForgotten }] of place.copies) {
      if (!isForgotten && !there.has(id)) throw new Violation(`${place.name}: copy ${id} has vanished`);
    }
    const whole = copies.filter(({ name }) => !place.late.has(name));
    const contents = await this.#readAll(place, whole);
    for (const [id, found] of contents) {
      const expected = place.copies.get(id);
      if (expected !== undefined) this.#compare(place, id, found, expected.contents);
    }
  }

  async #readAll(
    place: Place,
    copies: Awaited<ReturnType<typeof listCopies>>["copies"],
  ): Promise<Map<string, CopyContents>> {
    try {
      return await readCopies(this.truth(place), copies);
    } catch (error) {
      if (!isAppError(error)) throw error;
      throw new Violation(`${place.name}: a copy cannot be read: ${error.message}`, { cause: error });
    }
  }

  #compare(place: Place, id: string, found: CopyContents, expected: CopyContents): void {
    const isSame =
      found.size === expected.size &&
      [...expected].every(([path, bytes]) => found.get(path)?.equals(bytes) === true);
    if (!isSame) throw new Violation(`${place.name}: copy ${id} reads differently`);
  }

  #requireKeys(): KeySet {
    assert(this.#keys !== undefined);
    return this.#keys;
  }

  /** Notices manifests of sessions that others have given up: see docs/format.md, section 9. */
  async #observe(place: Place, kind: "put" | "delete", name: string, by: SimulatedStorage): Promise<void> {
    if (kind === "put" && name.startsWith("sessions/") && name.endsWith(".000001")) {
      this.#firstObjects.set(by, name);
    }
    if (!name.startsWith("copies/")) return;
    if (kind === "delete") place.late.delete(name);
    const first = this.#firstObjects.get(by);
    if (kind === "put" && first !== undefined && (await place.disk.objects.stat(first)) === null) {
      place.late.set(name, by);
    }
  }

  /** Ids of sessions among others: what depends on their order must depend on the seed. */
  readonly #randomness = <T extends Uint8Array>(bytes: T): T => {
    bytes.set(this.random.bytes(bytes.length));
    return bytes;
  };

  #ports(storage: Storage, host: string, clock: Clock): RepositoryPorts {
    this.#processes += 1;
    return {
      storage,
      clock,
      randomness: this.#randomness,
      process: { host, bootId: "boot", processId: this.#processes, startTime: "" },
      hasEnded: (process) => process.host === host && this.#ended.has(process.processId),
    };
  }
}
