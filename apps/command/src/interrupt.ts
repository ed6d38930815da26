/**
 * Ctrl-C: the first one ends the command cleanly, the second one at once.
 *
 * @module
 */
import process from "node:process";
import { AppError } from "@holdfast/kernel";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** Ends the command as a signal would: its output goes nowhere any more. */
  readonly cancel: (reason: AppError) => void;
}

/** Listens for signals until it is disposed of. */
export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  const cancel = (reason: AppError): void => {
    if (!controller.signal.aborted) controller.abort(reason);
  };
  const handle = (signal: NodeJS.Signals): void => {
    // From now on a signal does what it does to any program.
    for (const name of SIGNALS) process.off(name, handle);
    cancel(cancelled(signal === "SIGINT" ? "Interrupted." : `Ended by ${signal}.`));
  };
  for (const name of SIGNALS) process.on(name, handle);
  return {
    signal: controller.signal,
    cancel,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, handle);
    },
  };
}

export function cancelled(message: string): AppError {
  return new AppError("ERR_CANCELLED", message, {
    remedy: "What had been written is used by the next run.",
  });
}
