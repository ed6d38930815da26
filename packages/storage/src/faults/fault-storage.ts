/**
 * A storage that fails as planned: for tests of everything that must survive a failing storage.
 *
 * It records every call. A test for crash points runs once without faults to learn the calls, then once for each of
 * them with a crash before and after it; {@link enumerateCrashes} does that.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import { cancelled } from "../cancel.ts";
import type { ByteRange, ObjectInfo, PutOptions, Storage, StorageCapabilities } from "../contract.ts";
import { checkObjectName } from "../names.ts";
import {
  type Fault,
  type FaultPlan,
  isFitting,
  type Moment,
  type Operation,
  type OperationKind,
  SimulatedCrash,
} from "./fault.ts";
import { ListHistory } from "./history.ts";
import { fraction, noFaults } from "./plans.ts";

export interface FaultStorageOptions {
  /** No faults when missing: a recorder. */
  readonly plan?: FaultPlan;
  /** Times stalls and stale lists. */
  readonly clock?: Clock;
  /** What to claim instead of the inner storage's capabilities. */
  readonly capabilities?: Partial<StorageCapabilities>;
  /** To be shared by all storages over the same inner one, when lists are stale. */
  readonly history?: ListHistory;
}

interface Call {
  readonly operation: Operation;
  readonly fault: Fault | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Borrows the inner storage: disposing this one leaves that one open. */
export class FaultStorage implements Storage {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #inner: Storage;
  readonly #plan: FaultPlan;
  readonly #clock: Clock;
  readonly #history: ListHistory;
  readonly #operations: Operation[] = [];
  /** Aborted by a crash or by dispose, which end every stall. */
  readonly #end = new AbortController();
  #crashedAt: Operation | undefined;

  constructor(inner: Storage, options: FaultStorageOptions = {}) {
    this.#inner = inner;
    this.location = inner.location;
    this.capabilities = { ...inner.capabilities, ...options.capabilities };
    this.#plan = options.plan ?? noFaults;
    this.#clock = options.clock ?? systemClock;
    this.#history = options.history ?? new ListHistory();
  }

  /** Every call so far, without those after a crash. */
  get operations(): readonly Operation[] {
    return this.#operations;
  }

  /** Where the simulated process died. */
  get crashedAt(): Operation | undefined {
    return this.#crashedAt;
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<"created" | "exists"> {
    const call = this.#begin("put", name, bytes.length, options.signal);
    const { fault } = call;
    if (fault?.kind === "crash" && fault.residue === "half" && fault.moment === "before") {
      await this.#putHalf(name, bytes);
    }
    return this.#perform(call, async () => {
      if (fault?.kind === "lie") {
        if (fault.stored === "half") await this.#putHalf(name, bytes);
        return "created";
      }
      const outcome = await this.#inner.put(name, bytes, options);
      if (outcome === "created")
        this.#remember("put", { name, size: bytes.length, modifiedMs: this.#clock.now() });
      return outcome;
    });
  }

  async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    const call = this.#begin("get", name, 0, signal);
    const bytes = await this.#perform(call, () => this.#inner.get(name, range, signal));
    return spoil(bytes, call);
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    const call = this.#begin("list", prefix, 0, signal);
    await this.#meet(call, "before");
    for await (const info of this.#listing(prefix, call)) {
      this.#throwIfCrashed();
      yield info;
    }
    await this.#meet(call, "after");
  }

  async stat(name: string): Promise<ObjectInfo | null> {
    return this.#perform(this.#begin("stat", name, 0), () => this.#inner.stat(name));
  }

  async delete(name: string): Promise<void> {
    const call = this.#begin("delete", name, 0);
    await this.#perform(call, async () => {
      if (call.fault?.kind === "lie") return;
      const info = await this.#inner.stat(name);
      await this.#inner.delete(name);
      if (info !== null) this.#remember("delete", info);
    });
  }

  async free(): Promise<number | null> {
    return this.#perform(this.#begin("free", "", 0), () => this.#inner.free());
  }

  /** None, so that every read comes through here. */
  localPath(name: string): undefined {
    checkObjectName(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
  }

  #begin(kind: OperationKind, name: string, bytes: number, signal?: AbortSignal): Call {
    this.#throwIfCrashed();
    const operation: Operation = { index: this.#operations.length, kind, name, bytes };
    this.#operations.push(operation);
    const fault = this.#plan(operation);
    assert(fault === undefined || isFitting(fault, kind), `${fault?.kind ?? ""} cannot happen to a ${kind}`);
    return { operation, fault, signal };
  }

  async #perform<T>(call: Call, effect: () => Promise<T>): Promise<T> {
    await this.#meet(call, "before");
    const result = await effect();
    await this.#meet(call, "after");
    return result;
  }

  /** Lets the call's fault happen if this is its moment. */
  async #meet({ operation, fault, signal }: Call, moment: Moment): Promise<void> {
    this.#throwIfCrashed();
    if (fault?.kind === "stall" && moment === "before") await this.#stall(operation, fault.ms, signal);
    if (fault?.kind === "fail" && fault.moment === moment) throw planned(operation, fault);
    if (fault?.kind === "crash" && fault.moment === moment) {
      this.#crashedAt = operation;
      this.#end.abort();
      throw new SimulatedCrash(operation);
    }
  }

  #throwIfCrashed(): void {
    if (this.#crashedAt !== undefined) throw new SimulatedCrash(this.#crashedAt);
  }

  async #stall(operation: Operation, ms: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const ends = signal === undefined ? this.#end.signal : AbortSignal.any([this.#end.signal, signal]);
    try {
      await (ms === undefined ? rejectOnAbort(ends) : this.#clock.sleep(ms, ends));
    } catch (error) {
      this.#throwIfCrashed();
      throw cancelled(signal?.reason ?? error, operation.name);
    }
  }

  async *#listing(prefix: string, { fault, signal }: Call): AsyncGenerator<ObjectInfo> {
    if (fault?.kind !== "stale-list") {
      yield* this.#inner.list(prefix, signal);
      return;
    }
    const atMs = this.#clock.now() - fault.ms;
    const present = await Array.fromAsync(this.#inner.list(prefix, signal));
    yield* this.#history.listingAt(present, prefix, atMs);
  }

  async #putHalf(name: string, bytes: Uint8Array): Promise<void> {
    const half = bytes.subarray(0, Math.floor(bytes.length / 2));
    await this.#inner.put(name, half);
    this.#remember("put", { name, size: half.length, modifiedMs: this.#clock.now() });
  }

  #remember(kind: "put" | "delete", info: ObjectInfo): void {
    this.#history.add(kind, info, this.#clock.now());
  }
}

function spoil(bytes: Buffer, { operation, fault }: Call): Buffer {
  if (fault?.kind === "short-read") return bytes.subarray(0, fault.length ?? Math.floor(bytes.length / 2));
  if (fault?.kind !== "flip-bit" || bytes.length === 0) return bytes;
  const bit = fault.bit ?? Math.floor(fraction(0, operation.index) * bytes.length * 8);
  const at = Math.floor(bit / 8);
  assert(at < bytes.length, "the bit to flip lies behind the bytes that were read");
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
  return bytes;
}

function planned(operation: Operation, fault: Extract<Fault, { kind: "fail" }>): AppError {
  const what = `${operation.kind} ${operation.name}`;
  return new AppError(fault.code ?? "ERR_STORAGE_FAILED", `A planned fault hit operation ${what}.`, {
    subject: operation.name,
    remedy: "None: this is a simulation.",
  });
}

async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (): void => {
    reject(new Error("aborted"));
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return promise;
}
