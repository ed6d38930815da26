/**
 * The leases of one run: taking them, knowing when they end, and overwriting what they held (docs/protocol.md, section 5).
 *
 * @module
 */
import { KEM_SEED_BYTES, keyPairFromSeed, openWithPrivateKey, secretBuffer } from "@holdfast/crypto";
import { AppError, type Clock, isAppError, type Randomness } from "@holdfast/kernel";
import { leaseContext, LEASES_PER_RUN_MAX, type ServiceMessage } from "@holdfast/protocol";
import { type KeySet, wipeKeySet } from "@holdfast/repository";
import type { CredentialSource, StorageCredentials } from "@holdfast/storage";
import type { Channel } from "../connection/channel.ts";
import { type LeasedPayload, readLeasedPayload } from "./leased-payload.ts";

type Beat = Extract<ServiceMessage, { type: "beat" }>;

export interface LeasePorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly channel: Pick<Channel, "requestLease">;
  readonly device: string;
}

interface Held {
  readonly id: string;
  readonly leaseMs: number;
  /** By the service's clock. */
  untilMs: number;
  /** When it was asked for, or moved, last: its time counts from there, by both clocks of the agent. */
  askedMs: number;
  askedWallMs: number;
}

/** A machine that slept wakes up here: its monotonic clock may have slept as well. */
const LOOK_MS = 15_000;
const SETTLING_MS = 5000;

export class RunLeases implements Disposable {
  readonly #ports: LeasePorts;
  readonly #run: string;
  readonly #signal: AbortSignal;
  readonly #onEnded: (error: AppError) => void;
  readonly #disposed = new AbortController();
  #held: Held | undefined;
  #keys: KeySet | undefined;
  #credentials: ReadonlyMap<string, StorageCredentials> = new Map();
  #taken = 0;
  #takenMs = 0;
  #taking: Promise<void> | undefined;
  #isRefused = false;
  #hasEnded = false;

  /** @param onEnded called once, when a lease runs out; everything is overwritten by then. */
  constructor(ports: LeasePorts, run: string, signal: AbortSignal, onEnded: (error: AppError) => void) {
    this.#ports = ports;
    this.#run = run;
    this.#signal = signal;
    this.#onEnded = onEnded;
  }

  /** Of the repository; undefined when the lease has none. They are wiped by {@link wipe}, and not before. */
  get keys(): KeySet | undefined {
    return this.#keys;
  }

  /** Takes the first lease. @throws AppError the service's refusal, `ERR_LEASE_ENDED`, `ERR_CANCELLED`. */
  async begin(): Promise<void> {
    await this.#take();
    void this.#watch();
  }

  /** Of a storage. What the storage refused is asked for anew, as often as leases are given. */
  sourceOf(storage: string): CredentialSource {
    return async () => {
      if (this.#isRefused && this.#taken < LEASES_PER_RUN_MAX) await this.#takeAgain();
      if (this.#hasEnded) throw ended();
      return this.#credentials.get(storage) ?? {};
    };
  }

  /** The storage did not accept the credentials: they may have been changed meanwhile. */
  refused(): void {
    // Calls that were under way with the old ones are refused after the new ones came.
    const isLate = this.#taken > 1 && this.#ports.clock.monotonic() - this.#takenMs < SETTLING_MS;
    this.#isRefused ||= !isLate;
  }

  /** @param askedMs when the beat was sent that the service answers, by the monotonic clock. */
  take(beat: Beat, askedMs: number): void {
    const held = this.#held;
    const moved = beat.leases.find(({ lease }) => lease === held?.id);
    if (held === undefined || moved === undefined || moved.until <= held.untilMs || this.#isOver(held))
      return;
    held.untilMs = moved.until;
    const { clock } = this.#ports;
    held.askedMs = Math.max(held.askedMs, askedMs);
    held.askedWallMs = clock.now() - (clock.monotonic() - held.askedMs);
  }

  /** Overwrites the keys and forgets the credentials. */
  wipe(): void {
    if (this.#keys !== undefined) wipeKeySet(this.#keys);
    this.#credentials = new Map();
  }

  [Symbol.dispose](): void {
    this.#hasEnded = true;
    this.#disposed.abort();
    this.wipe();
  }

  /** Several connections may be refused at once: one lease is for all of them. */
  async #takeAgain(): Promise<void> {
    this.#taking ??= this.#take();
    try {
      await this.#taking;
      this.#isRefused = false;
    } finally {
      this.#taking = undefined;
    }
  }

  async #take(): Promise<void> {
    for (;;) {
      try {
        await this.#takeOnce();
        return;
      } catch (error) {
        // Nobody knows whether the service answered; another key pair makes it another request.
        if (!isAppError(error, "ERR_SERVICE_UNREACHABLE")) throw error;
      }
    }
  }

  async #takeOnce(): Promise<void> {
    const { channel, clock, device, randomness } = this.#ports;
    const { seed, publicKey } = keyPairFromSeed(randomness(secretBuffer(KEM_SEED_BYTES)));
    try {
      const signal = AbortSignal.any([this.#signal, this.#disposed.signal]);
      const request = { kind: "lease", run: this.#run, publicKey: publicKey.toString("base64") } as const;
      const { answer, sentMs, welcome } = await channel.requestLease(request, signal);
      this.#taken += 1;
      this.#takenMs = clock.monotonic();
      const { lease, until, sealed } = answer;
      const context = leaseContext({ device, run: this.#run, lease, until });
      const payload = readLeasedPayload(
        openWithPrivateKey(seed, context, Buffer.from(sealed, "base64"), "The lease"),
      );
      this.#accept(payload);
      const askedWallMs = clock.now() - (clock.monotonic() - sentMs);
      this.#held = { id: lease, leaseMs: welcome.leaseMs, untilMs: until, askedMs: sentMs, askedWallMs };
    } finally {
      seed.fill(0);
    }
  }

  #accept({ keys, credentials }: LeasedPayload): void {
    if (this.#hasEnded) {
      if (keys !== undefined) wipeKeySet(keys);
      throw ended();
    }
    this.#credentials = credentials;
    // The keys of a repository never change; the first ones are in use.
    if (this.#keys === undefined) this.#keys = keys;
    else if (keys !== undefined) wipeKeySet(keys);
  }

  async #watch(): Promise<void> {
    const { clock } = this.#ports;
    for (;;) {
      const held = this.#held;
      if (held === undefined) return;
      if (this.#isOver(held)) break;
      const leftMs = held.askedMs + held.leaseMs - clock.monotonic();
      await clock.sleep(Math.max(1, Math.min(LOOK_MS, leftMs)), this.#disposed.signal).catch(() => undefined);
      if (this.#disposed.signal.aborted) return;
    }
    this.#hasEnded = true;
    this.#onEnded(ended());
    this.wipe();
  }

  #isOver({ askedMs, askedWallMs, leaseMs }: Held): boolean {
    const { clock } = this.#ports;
    return clock.monotonic() - askedMs >= leaseMs || clock.now() - askedWallMs >= leaseMs;
  }
}

function ended(): AppError {
  return new AppError(
    "ERR_LEASE_ENDED",
    "The lease of the run ran out, because nothing was heard of the service.",
    {
      remedy:
        "Run the task again when the device reaches the service. What had been stored is used by the next run.",
    },
  );
}
