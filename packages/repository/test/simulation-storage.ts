/**
 * A storage as one simulated process sees it: every call takes time, sometimes days; lists are no snapshots, or stale; and
 * the process may die before or after any call.
 */
import {
  type ByteRange,
  type MemoryStorage,
  type ObjectInfo,
  PLAIN_STORAGE,
  type PutOptions,
  type Storage,
} from "@holdfast/storage";
import type { SimulatedClock } from "./simulation-clock.ts";
import type { SeededRandom } from "./simulation-random.ts";

/** What really is in the storage, and what was there when. */
export class SimulatedDisk {
  readonly objects: MemoryStorage;
  readonly clock: SimulatedClock;
  /** Lists show each object as it was up to so long ago; 0: as it is. */
  readonly staleMs: number;
  readonly #history = new Map<string, { readonly info: ObjectInfo; readonly fromMs: number; toMs: number }>();
  /** Names are random; what depends on the seed alone is when they came. */
  readonly #numbers = new Map<string, number>();

  constructor(objects: MemoryStorage, clock: SimulatedClock, staleMs: number) {
    this.objects = objects;
    this.clock = clock;
    this.staleMs = staleMs;
  }

  remember(info: ObjectInfo): void {
    this.#numbers.set(info.name, this.#numbers.size);
    this.#history.set(info.name, { info, fromMs: this.clock.now(), toMs: Number.POSITIVE_INFINITY });
  }

  forget(name: string): void {
    const known = this.#history.get(name);
    if (known !== undefined && known.toMs === Number.POSITIVE_INFINITY) known.toMs = this.clock.now();
  }

  /** Every object of the prefix at some moment of the past, each at one of its own. */
  staleListing(prefix: string, random: SeededRandom): ObjectInfo[] {
    const found: ObjectInfo[] = [];
    for (const { info, fromMs, toMs } of this.#history.values()) {
      if (!info.name.startsWith(prefix)) continue;
      const atMs = this.clock.now() - random.fraction() * this.staleMs;
      if (fromMs <= atMs && atMs < toMs) found.push(info);
    }
    return found;
  }

  numberOf(name: string): number {
    return this.#numbers.get(name) ?? 0;
  }

  listing(prefix: string): Promise<ObjectInfo[]> {
    return Array.fromAsync(this.objects.list(prefix));
  }
}

export class ProcessDied extends Error {
  override readonly name = "ProcessDied";
}

export interface ProcessFate {
  /** Calls until it dies; undefined: it does not. */
  readonly diesAfter: number | undefined;
  /** Of a call that takes hours or days. */
  readonly stallChance: number;
  readonly stallMaxMs: number;
  /** Of any other call. */
  readonly latencyMaxMs: number;
  /** Puts and deletes with this prefix stall often. */
  readonly stallsAt: string | undefined;
  /** Its clocks stand still while it stalls, as those of a machine that is paused. */
  readonly isPaused: boolean;
}

export const UNHARMED: ProcessFate = {
  diesAfter: undefined,
  stallChance: 0,
  stallMaxMs: 0,
  latencyMaxMs: 1000,
  stallsAt: undefined,
  isPaused: false,
};

const LIST_PARTS = 4;
const LATENCY_MIN_MS = 2;
const STALL_MIN_MS = 600_000;

/** Called when an object was put or deleted. */
export type DiskObserver = (
  kind: "put" | "delete",
  name: string,
  by: SimulatedStorage,
) => Promise<void> | void;

export class SimulatedStorage implements Storage {
  readonly location = "simulation";
  readonly capabilities: Storage["capabilities"];
  readonly #disk: SimulatedDisk;
  readonly #random: SeededRandom;
  readonly #fate: ProcessFate;
  readonly #observe: DiskObserver;
  #calls = 0;
  #isDead = false;
  #stalledMs = 0;

  constructor(disk: SimulatedDisk, random: SeededRandom, fate: ProcessFate, observe: DiskObserver) {
    this.#disk = disk;
    this.#random = random;
    this.#fate = fate;
    this.#observe = observe;
    this.capabilities = { ...PLAIN_STORAGE, listConsistent: disk.staleMs === 0 };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** How long all stalls were together that its clocks did not notice. */
  get pausedMs(): number {
    return this.#fate.isPaused ? this.#stalledMs : 0;
  }

  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<"created" | "exists"> {
    const copy = Buffer.from(bytes);
    return this.#change(name, async () => {
      const outcome = await this.#disk.objects.put(name, copy, options);
      const info = await this.#disk.objects.stat(name);
      if (outcome === "created" && info !== null) this.#disk.remember(info);
      if (outcome === "created") await this.#observe("put", name, this);
      return outcome;
    });
  }

  get(name: string, range?: ByteRange): Promise<Buffer> {
    return this.#call(() => this.#disk.objects.get(name, range));
  }

  /** Walks through the names in an order of its own; what is put or deleted on the way may be seen or not. */
  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    if (this.#disk.staleMs > 0) {
      yield* await this.#call(async () => this.#disk.staleListing(prefix, this.#random));
      return;
    }
    const salt = this.#random.integer(0, 2 ** 31);
    for (let part = 0; part < LIST_PARTS; part += 1) {
      const objects = await this.#call(() => this.#disk.listing(prefix));
      for (const object of objects) {
        if (partOf(this.#disk.numberOf(object.name), salt) === part) yield object;
      }
    }
  }

  stat(name: string): Promise<ObjectInfo | null> {
    return this.#call(() => this.#disk.objects.stat(name));
  }

  delete(name: string): Promise<void> {
    return this.#change(name, async () => {
      await this.#disk.objects.delete(name);
      this.#disk.forget(name);
      await this.#observe("delete", name, this);
    });
  }

  async free(): Promise<null> {
    return null;
  }

  localPath(): undefined {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The disk is the world's.
  }

  async #call<T>(effect: () => Promise<T>): Promise<T> {
    this.#throwIfDead();
    this.#calls += 1;
    const isLast = this.#fate.diesAfter !== undefined && this.#calls > this.#fate.diesAfter;
    const diesBefore = isLast && this.#random.chance(0.5);
    await this.#wait();
    if (diesBefore) this.#die();
    const result = await effect();
    if (isLast) this.#die();
    await this.#wait();
    return result;
  }

  async #change<T>(name: string, effect: () => Promise<T>): Promise<T> {
    const { stallsAt } = this.#fate;
    this.#throwIfDead();
    if (stallsAt !== undefined && name.startsWith(stallsAt) && this.#random.chance(0.5)) await this.#stall();
    return this.#call(effect);
  }

  async #stall(): Promise<void> {
    const ms = this.#random.scale(STALL_MIN_MS, this.#fate.stallMaxMs);
    await this.#disk.clock.sleep(ms);
    this.#stalledMs += ms;
  }

  async #wait(): Promise<void> {
    if (this.#random.chance(this.#fate.stallChance)) await this.#stall();
    else await this.#disk.clock.sleep(this.#random.scale(LATENCY_MIN_MS, this.#fate.latencyMaxMs));
    this.#throwIfDead();
  }

  #die(): never {
    this.#isDead = true;
    throw new ProcessDied();
  }

  #throwIfDead(): void {
    if (this.#isDead) throw new ProcessDied();
  }
}

function partOf(number: number, salt: number): number {
  return (Math.imul(number ^ salt, 0x9e3779b1) >>> 8) % LIST_PARTS;
}
