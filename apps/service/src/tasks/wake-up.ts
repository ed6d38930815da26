/**
 * Work that is wanted again and again: never twice at a time, and never missed when it is wanted while it runs.
 *
 * @module
 */

export interface WakeUp {
  readonly now: () => void;
  /** Wakes it up; resolves when what was wanted by then is done. */
  readonly done: () => Promise<void>;
  /** Nothing begins any more; resolves when what runs has ended. */
  readonly stop: () => Promise<void>;
}

export function createWakeUp(work: () => Promise<void>, failed: (error: unknown) => void): WakeUp {
  const state = { isWanted: false, isStopped: false };
  let running: Promise<void> | undefined;

  const loop = async (): Promise<void> => {
    while (state.isWanted && !state.isStopped) {
      state.isWanted = false;
      await work().catch(failed);
    }
    running = undefined;
  };
  const done = async (): Promise<void> => {
    state.isWanted = true;
    running ??= loop();
    await running;
  };
  return {
    now: () => void done(),
    done,
    stop: async () => {
      state.isStopped = true;
      await running;
    },
  };
}
