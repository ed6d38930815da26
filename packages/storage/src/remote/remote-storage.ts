/**
 * A storage made of a driver: what is the same for every protocol stands here.
 *
 * Every call may be tried again: gets, lists and deletes change nothing by it, and a put never overwrites. Only a put whose
 * first answer was lost needs care: the second one finds the object that the first one made, and says so if it is ours.
 *
 * @module
 */
import { type Clock, type Randomness, systemClock, systemRandomness } from "@holdfast/kernel";
import { cancelled, throwIfAborted } from "../cancel.ts";
import type { ByteRange, ObjectInfo, PutOptions, Storage, StorageCapabilities } from "../contract.ts";
import { checkObjectName, checkPrefix, isObjectName } from "../names.ts";
import { assertRange } from "../reading.ts";
import { contradiction } from "./contradiction.ts";
import type { ObjectPage, RemoteDriver } from "./driver.ts";
import { Gate } from "./limits.ts";
import { Outage, withRetries } from "./retry.ts";

export interface RemoteOptions {
  /** For how long what failed is tried again, milliseconds. Default: five minutes. */
  readonly deadlineMs?: number;
  /** Calls in flight at once. Default 8. */
  readonly parallel?: number;
  /** Told before credentials that the storage refused are asked for again. */
  readonly onRefused?: (() => void) | undefined;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

const DEADLINE_MS = 5 * 60_000;
const PARALLEL = 8;
const PAGES_MAX = 10_000_000;

/** Takes the driver over: disposing the storage disposes it. */
export function openRemoteStorage(driver: RemoteDriver, options: RemoteOptions = {}): Storage {
  return new RemoteStorage(driver, options);
}

class RemoteStorage implements Storage {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #driver: RemoteDriver;
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #deadlineMs: number;
  readonly #outage = new Outage();
  readonly #onRefused: (() => void) | undefined;
  readonly #gate: Gate;
  /** Aborted when the storage is closed. */
  readonly #closing = new AbortController();

  constructor(driver: RemoteDriver, options: RemoteOptions) {
    this.location = driver.location;
    this.capabilities = driver.capabilities;
    this.#driver = driver;
    this.#clock = options.clock ?? systemClock;
    this.#randomness = options.randomness ?? systemRandomness;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#onRefused = options.onRefused;
    this.#gate = new Gate(options.parallel ?? PARALLEL);
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<"created" | "exists"> {
    checkObjectName(name);
    return this.#call(name, options.signal, async (signal, before) => {
      const outcome = await this.#driver.put(name, bytes, options.sha256, signal);
      // The answer to an earlier attempt may have been lost, and what is there be its object.
      if (outcome === "created" || before === 0) return outcome;
      return (await this.#holds(name, bytes, signal)) ? "created" : "exists";
    });
  }

  async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    if (range !== undefined) assertRange(range);
    return this.#call(name, signal, async (either) => {
      const bytes = await this.#driver.get(name, range, either);
      if (range === undefined || bytes.length === range.length) return bytes;
      throw contradiction(`${this.location} gave other bytes of ${name} than asked for.`, name);
    });
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo, void> {
    checkPrefix(prefix);
    let next: string | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const from = next;
      const page: ObjectPage = await this.#call(prefix, signal, (either) =>
        this.#driver.list(prefix, from, either),
      );
      for (const object of page.objects) {
        if (isObjectName(object.name) && object.name.startsWith(prefix)) yield object;
      }
      if (page.next === undefined) return;
      if (page.next === next) break;
      next = page.next;
    }
    throw contradiction(`${this.location} gives a list that does not end.`, prefix);
  }

  async stat(name: string): Promise<ObjectInfo | null> {
    checkObjectName(name);
    return this.#call(name, undefined, (signal) => this.#driver.stat(name, signal));
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name);
    await this.#call(name, undefined, (signal) => this.#driver.delete(name, signal));
  }

  async free(): Promise<number | null> {
    return this.#call("", undefined, (signal) => this.#driver.free(signal));
  }

  localPath(name: string): undefined {
    checkObjectName(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#driver[Symbol.asyncDispose]();
  }

  async #holds(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const info = await this.#driver.stat(name, signal);
    if (info?.size !== bytes.length) return false;
    return (await this.#driver.get(name, undefined, signal)).equals(bytes);
  }

  async #call<T>(
    subject: string,
    signal: AbortSignal | undefined,
    attempt: (signal: AbortSignal, before: number) => Promise<T>,
  ): Promise<T> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([closing, signal]);
    const options = {
      clock: this.#clock,
      randomness: this.#randomness,
      deadlineMs: this.#deadlineMs,
      outage: this.#outage,
      signal: either,
      onRefused: this.#onRefused,
    };
    try {
      throwIfAborted(either, subject);
      return await this.#gate.pass(() => withRetries((before) => attempt(either, before), options));
    } catch (error) {
      throw either.aborted ? cancelled(either.reason, subject) : error;
    }
  }
}
