/**
 * What a thread has of a processor, and the end of its patience.
 *
 * @module
 */
import type { Worker } from "node:worker_threads";

const LOOK_MS = 500;

/** Calls `tooMuch` when the thread has had a processor for longer than that since now. */
export function watchProcessor(thread: Worker, processorMs: number, tooMuch: () => void): Disposable {
  const begin = processorMsOf(thread);
  const look = async (): Promise<void> => {
    const [before, now] = await Promise.all([begin, processorMsOf(thread)]);
    if (now - before > processorMs) tooMuch();
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** 0 while it starts, and when it has ended. */
async function processorMsOf(thread: Worker): Promise<number> {
  try {
    const { user, system } = await thread.cpuUsage();
    return (user + system) / 1000;
  } catch {
    return 0;
  }
}
