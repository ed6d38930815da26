import { isAppError } from "@holdfast/kernel";

/** Work that many callers need done once. After a failure the next caller tries again. */
export class Once<T> {
  #work: Promise<T> | undefined;

  /** Waits for the work that is under way, or begins it. The cancellation of whoever began it concerns nobody else. */
  async done(signal: AbortSignal, begin: () => Promise<T>): Promise<T> {
    for (;;) {
      const work = (this.#work ??= begin());
      try {
        return await work;
      } catch (error) {
        if (this.#work === work) this.#work = undefined;
        if (signal.aborted || !isAppError(error, "ERR_CANCELLED")) throw error;
      }
    }
  }
}
