import { isAppError } from "@holdfast/kernel";
import { unlessAborted } from "./unless-aborted.ts";

/** Work that many callers need done once. After a failure the next caller tries again. */
export class Once<T> {
  #work: Promise<T> | undefined;

  /** Waits for the work that is under way, or begins it. The cancellation of whoever began it concerns nobody else. */
  async done(signal: AbortSignal, begin: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await unlessAborted((this.#work ??= this.#start(begin())), signal);
      } catch (error) {
        if (signal.aborted || !isAppError(error, "ERR_CANCELLED")) throw error;
      }
    }
  }

  #start(work: Promise<T>): Promise<T> {
    work.catch(() => {
      if (this.#work === work) this.#work = undefined;
    });
    return work;
  }
}
