/**
 * Time of a simulated world: it stands still while anybody works, then jumps to the next one who waits. So the order of
 * everything depends on the seed alone.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "@holdfast/kernel";

interface Sleeper {
  readonly untilMs: number;
  /** Who slept first wakes first. */
  readonly number: number;
  readonly wake: () => void;
}

/** Turns of the event loop in which everybody who was woken gets on as far as possible. */
const TURNS = 2;

export class SimulatedClock implements Clock {
  #nowMs: number;
  #count = 0;
  readonly #sleepers: Sleeper[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  now(): number {
    return Math.floor(this.#nowMs);
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#count += 1;
      this.#sleepers.push({ untilMs: this.#nowMs + ms, number: this.#count, wake });
    });
  }

  /** Lets time pass until `done`. @param between called after each step, while nobody moves. */
  async run(done: () => boolean, between?: () => Promise<void>): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < TURNS; turn += 1) await nextTurn();
      await between?.();
      if (done()) return;
      this.#wakeNext();
    }
  }

  /** Lets time pass while an action is under way, and returns what it returns. */
  async during<T>(action: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    action.then(over, over);
    await this.run(() => isOver);
    return action;
  }

  skip(ms: number): void {
    this.#nowMs += ms;
  }

  /** Nobody waits: those who are awake have turns of their own. */
  #wakeNext(): void {
    const [first] = this.#sleepers;
    if (first === undefined) return;
    const next = this.#sleepers.reduce((best, one) => (isBefore(one, best) ? one : best), first);
    this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
    this.#nowMs = Math.max(this.#nowMs, next.untilMs);
    next.wake();
  }
}

function isBefore(one: Sleeper, other: Sleeper): boolean {
  return one.untilMs === other.untilMs ? one.number < other.number : one.untilMs < other.untilMs;
}

/** The clock of a machine that is set wrong, and was paused for some time. */
export function wrongClock(clock: Clock, offsetMs: number, pausedMs: () => number): Clock {
  return {
    now: () => Math.floor(clock.now() + offsetMs - pausedMs()),
    monotonic: () => clock.monotonic() - pausedMs(),
    sleep: (ms) => clock.sleep(ms),
  };
}
