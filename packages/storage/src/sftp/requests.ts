/**
 * The requests that are on their way, and an end for each of them.
 *
 * The library drops requests without an answer in some states of a channel, so every request is also ended by the end of
 * the connection, by its silence, and by {@link Requests.fail}.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";
import { connectionLost, SftpStatusError, STATUS, timedOut } from "./failures.ts";

/** How the library answers. */
export type Done = (error?: Error | null, value?: unknown) => void;

export interface RequestsOptions {
  /** For messages. */
  readonly url: string;
  readonly idleTimeoutMs: number;
  /** Destroys the connection. */
  readonly destroy: () => void;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #waiting = new Set<(error: unknown) => void>();
  #failure: AppError | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#waiting.size;
  }

  get failure(): AppError | undefined {
    return this.#failure;
  }

  /** To be called when anything came from the server. */
  heard(): void {
    if (this.#waiting.size > 0) this.#timer?.refresh();
  }

  /** Destroys the connection; what is on its way and what comes later rejects with the first such error. */
  fail(error: AppError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#options.destroy();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const reject of waiting) reject(error);
  }

  /** @throws {SftpStatusError} for an answer other than success, an AppError when there is no answer. */
  ask(send: (done: Done) => void): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#begin(reject);
      const done: Done = (error, value) => {
        if (!this.#finish(reject)) return;
        if (error instanceof Error) reject(this.#toFailure(error));
        else resolve(value);
      };
      try {
        send(done);
      } catch (error) {
        // The library throws at once, and only, where an extension is missing.
        done(new SftpStatusError(STATUS.unsupported, error instanceof Error ? error.message : ""));
      }
    });
  }

  #begin(reject: (error: unknown) => void): void {
    if (this.#waiting.size === 0) {
      const { url, idleTimeoutMs } = this.#options;
      this.#timer = setTimeout(() => {
        this.fail(timedOut(url, idleTimeoutMs));
      }, idleTimeoutMs);
    }
    this.#waiting.add(reject);
  }

  #finish(reject: (error: unknown) => void): boolean {
    if (!this.#waiting.delete(reject)) return false;
    if (this.#waiting.size === 0) clearTimeout(this.#timer);
    return true;
  }

  #toFailure(error: Error): unknown {
    if (error instanceof SftpStatusError) return error;
    if ("code" in error && typeof error.code === "number") {
      return new SftpStatusError(error.code, error.message);
    }
    // Errors without a status are the library's: the channel is gone, or an answer makes no sense.
    this.fail(connectionLost(this.#options.url, error));
    return this.#failure;
  }
}
