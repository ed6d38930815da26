/**
 * A few connections, each used by one call at a time: a call that is cancelled or fails in its middle can then give up
 * its connection without harm to others.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";
import { cancelled, throwIfAborted } from "../cancel.ts";
import type { SftpSession } from "./session.ts";

/** Firewalls forget silent connections, and an idle one should not keep the process alive. */
const KEEP_MS = 30_000;

interface Waiter {
  /** With a connection, or with none when one may be made. */
  readonly resolve: (session: SftpSession | undefined) => void;
  readonly reject: (error: AppError) => void;
}

export interface SessionPoolOptions {
  readonly connect: (signal: AbortSignal) => Promise<SftpSession>;
  /** Connections at once. */
  readonly size: number;
  /** For messages. */
  readonly url: string;
}

export class SessionPool implements AsyncDisposable {
  readonly #options: SessionPoolOptions;
  readonly #idle: { readonly session: SftpSession; readonly timer: NodeJS.Timeout }[] = [];
  readonly #busy = new Set<SftpSession>();
  readonly #waiters = new Set<Waiter>();
  readonly #closing = new AbortController();
  /** Connections that exist or are being made. */
  #count = 0;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
  }

  /** Runs `action` with a connection of its own, which is destroyed as soon as `signal` is aborted. */
  async use<T>(signal: AbortSignal, action: (session: SftpSession) => Promise<T>): Promise<T> {
    const session = await this.#acquire(AbortSignal.any([signal, this.#closing.signal]));
    const abort = (): void => {
      session.fail(cancelled(signal.reason, this.#options.url));
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      return await action(session);
    } finally {
      signal.removeEventListener("abort", abort);
      this.#release(session);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = cancelled(undefined, this.#options.url);
    this.#closing.abort(reason);
    for (const session of this.#busy) session.fail(reason);
    const idle = this.#idle.splice(0);
    await Promise.all(
      idle.map(async ({ session, timer }) => {
        clearTimeout(timer);
        await session.close();
      }),
    );
  }

  async #acquire(signal: AbortSignal): Promise<SftpSession> {
    throwIfAborted(signal, this.#options.url);
    const ready = this.#takeIdle() ?? (await this.#waitForTurn(signal));
    const session = ready ?? (await this.#connect(signal));
    this.#busy.add(session);
    return session;
  }

  #takeIdle(): SftpSession | undefined {
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      clearTimeout(entry.timer);
      if (!entry.session.failed) return entry.session;
      this.#count -= 1;
    }
    return undefined;
  }

  /** Undefined as soon as a connection may be made; it is counted by then. */
  async #waitForTurn(signal: AbortSignal): Promise<SftpSession | undefined> {
    if (this.#count < this.#options.size) {
      this.#count += 1;
      return undefined;
    }
    const { promise, resolve, reject } = Promise.withResolvers<SftpSession | undefined>();
    const waiter: Waiter = { resolve, reject };
    const abort = (): void => {
      if (this.#waiters.delete(waiter)) reject(cancelled(signal.reason, this.#options.url));
    };
    this.#waiters.add(waiter);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #connect(signal: AbortSignal): Promise<SftpSession> {
    try {
      return await this.#options.connect(signal);
    } catch (error) {
      this.#passTurn();
      throw error;
    }
  }

  #release(session: SftpSession): void {
    this.#busy.delete(session);
    if (this.#closing.signal.aborted || !session.idle) {
      session.fail(cancelled(undefined, this.#options.url));
      this.#passTurn();
      return;
    }
    const waiter = this.#nextWaiter();
    if (waiter !== undefined) waiter.resolve(session);
    else this.#keep(session);
  }

  /** The room of a connection that is no more goes to the next in line. */
  #passTurn(): void {
    const waiter = this.#nextWaiter();
    if (waiter === undefined) this.#count -= 1;
    else waiter.resolve(undefined);
  }

  #nextWaiter(): Waiter | undefined {
    const [waiter] = this.#waiters;
    if (waiter !== undefined) this.#waiters.delete(waiter);
    return waiter;
  }

  #keep(session: SftpSession): void {
    const timer = setTimeout(() => {
      const index = this.#idle.findIndex((entry) => entry.session === session);
      if (index === -1) return;
      this.#idle.splice(index, 1);
      this.#count -= 1;
      void session.close();
    }, KEEP_MS);
    this.#idle.push({ session, timer });
  }
}
