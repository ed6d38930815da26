/**
 * The helper processes of one storage: at most so many, reused, and ended when idle.
 *
 * @module
 */
import { cancelled } from "../cancel.ts";
import { isHarmless } from "./failures.ts";
import { HelperFailure, type HelperProcess } from "./helper-process.ts";

const IDLE_MS = 60_000;

interface Idle {
  readonly helper: HelperProcess;
  readonly timer: NodeJS.Timeout;
}

export class Pool {
  readonly #size: number;
  readonly #connect: (signal: AbortSignal) => Promise<HelperProcess>;
  readonly #all = new Set<HelperProcess>();
  readonly #waiting: (() => void)[] = [];
  #idle: Idle[] = [];
  #used = 0;

  constructor(size: number, connect: (signal: AbortSignal) => Promise<HelperProcess>) {
    this.#size = size;
    this.#connect = connect;
  }

  /** Runs `work` with a helper that nobody else uses meanwhile. */
  async use<T>(
    subject: string,
    signal: AbortSignal,
    work: (helper: HelperProcess) => Promise<T>,
  ): Promise<T> {
    await this.#enter(subject, signal);
    try {
      const helper = this.#takeIdle() ?? (await this.#start(signal));
      try {
        return await work(helper);
      } catch (error) {
        // What broke this connection has broken the others too, most of the time.
        if (!(error instanceof HelperFailure) || !isHarmless(error.failure))
          this.#discard(helper, signal.aborted);
        throw error;
      } finally {
        this.#giveBack(helper);
      }
    } finally {
      this.#used -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Resolves when no process is left. */
  async close(): Promise<void> {
    this.#endIdle();
    const all = [...this.#all];
    for (const helper of all) helper.kill();
    await Promise.all(all.map(({ ended }) => ended));
  }

  async #enter(subject: string, signal: AbortSignal): Promise<void> {
    while (this.#used >= this.#size) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      if (!signal.aborted) continue;
      const place = this.#waiting.indexOf(resolve);
      if (place >= 0) this.#waiting.splice(place, 1);
      // It was this one's turn already: the next one's then.
      else this.#waiting.shift()?.();
      break;
    }
    if (signal.aborted) throw cancelled(signal.reason, subject);
    this.#used += 1;
  }

  async #start(signal: AbortSignal): Promise<HelperProcess> {
    const helper = await this.#connect(signal);
    this.#all.add(helper);
    void helper.ended.then(() => this.#all.delete(helper));
    return helper;
  }

  #takeIdle(): HelperProcess | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) return undefined;
      clearTimeout(idle.timer);
      if (!idle.helper.isDead) return idle.helper;
    }
  }

  #giveBack(helper: HelperProcess): void {
    if (helper.isDead) return;
    const timer = setTimeout(() => {
      helper.kill();
    }, IDLE_MS);
    timer.unref();
    this.#idle.push({ helper, timer });
  }

  #discard(helper: HelperProcess, aborted: boolean): void {
    helper.kill();
    if (!aborted) this.#endIdle();
  }

  #endIdle(): void {
    for (const { helper, timer } of this.#idle) {
      clearTimeout(timer);
      helper.kill();
    }
    this.#idle = [];
  }
}
