import { cancelled } from "../cancel.ts";

/** Waits for `work` no longer than until the signal is aborted; what `work` does then is its own affair. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(cancelled(signal.reason, "a request"));
    };
    signal.addEventListener("abort", abort, { once: true });
    const settled = (): void => {
      signal.removeEventListener("abort", abort);
    };
    work.then(resolve, reject).then(settled, settled);
  });
}
