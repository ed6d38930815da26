/**
 * A storage that a run holds as long as it may: after that no call gets through any more, whoever still makes it. So keys can
 * be overwritten at once, and nothing is ever stored under keys of zeros.
 *
 * @module
 */
import { type AppError, type Clock, systemClock } from "@holdfast/kernel";
import type { ByteRange, ObjectInfo, PutOptions, Storage, StorageCapabilities } from "@holdfast/storage";
import { Pace, type PaceStep } from "./pace.ts";

export interface RevocableOptions {
  /** Of the run: nothing waits for its turn any longer when it is aborted. */
  readonly signal?: AbortSignal;
  /** How fast it may be stored; no limit when undefined. */
  readonly pace?: readonly PaceStep[] | undefined;
  readonly clock?: Clock;
}

export class RevocableStorage implements Storage {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #storage: Storage;
  readonly #pace: Pace | undefined;
  readonly #revoked = new AbortController();
  readonly #ended: AbortSignal;
  #reason: AppError | undefined;
  #closing: Promise<void> | undefined;

  constructor(storage: Storage, { signal, pace, clock = systemClock }: RevocableOptions = {}) {
    this.#storage = storage;
    this.#ended =
      signal === undefined ? this.#revoked.signal : AbortSignal.any([signal, this.#revoked.signal]);
    this.location = storage.location;
    this.capabilities = storage.capabilities;
    this.#pace = pace === undefined ? undefined : new Pace(pace, clock);
  }

  /** From now on every call fails with this reason, and what is under way is given up. */
  revoke(reason: AppError): void {
    this.#reason ??= reason;
    this.#revoked.abort(this.#reason);
    void this.#close().catch(() => undefined);
  }

  async put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<"created" | "exists"> {
    await this.#pace?.wait(bytes.length, this.#ended);
    return this.#use().put(name, bytes, options);
  }

  async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    return this.#use().get(name, range, signal);
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    for await (const object of this.#use().list(prefix, signal)) {
      yield object;
      this.#use();
    }
  }

  async stat(name: string): Promise<ObjectInfo | null> {
    return this.#use().stat(name);
  }

  async delete(name: string): Promise<void> {
    return this.#use().delete(name);
  }

  async free(): Promise<number | null> {
    return this.#use().free();
  }

  localPath(name: string): string | undefined {
    return this.#use().localPath(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  #use(): Storage {
    if (this.#reason !== undefined) throw this.#reason;
    return this.#storage;
  }

  #close(): Promise<void> {
    this.#closing ??= Promise.resolve(this.#storage[Symbol.asyncDispose]());
    return this.#closing;
  }
}
