/**
 * How much of a storage is used at once: calls in flight, bytes a second.
 *
 * The rate is that of content: drivers wait before they hand a piece of it to the system or ask for it, and where a server sends
 * by itself (HTTP), before they take the next one from the system. What lies in the buffers of sockets and libraries passes
 * at its own pace, and protocols add their headers.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Clock } from "@holdfast/kernel";

/** Lets so many in at once; the others wait in their order. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(places: number) {
    assert(Number.isSafeInteger(places) && places > 0);
    this.#free = places;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** What stands still for a moment makes up for so much of it at most. */
const CREDIT_MS = 125;
const PIECES_PER_SECOND = 16;
const PIECE_BYTES_MIN = 1024;

/**
 * Keeps a transfer rate (a token bucket): each piece of a transfer waits until those before it have had their time. Over any
 * stretch of time there pass no more than its share, an eighth of a second's worth, and the piece at its end.
 */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number, clock: Clock) {
    assert(bytesPerSecond > 0);
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** Of the pieces that a transfer is to be cut into, so that it flows evenly; at most `bytesMax`. */
  pieceLength(bytesMax: number): number {
    return Math.min(
      bytesMax,
      Math.max(PIECE_BYTES_MIN, Math.floor(this.#bytesPerSecond / PIECES_PER_SECOND)),
    );
  }

  /** Resolves when `bytes` more may be transferred. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonic();
    this.#freeAtMs = Math.max(nowMs - CREDIT_MS, this.#freeAtMs) + (bytes * 1000) / this.#bytesPerSecond;
    const waitMs = this.#freeAtMs - nowMs;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }
}

/** What all transfers of a storage together may take, each way. */
export interface TransferRate {
  readonly up: Pace;
  readonly down: Pace;
}

export function newTransferRate(bytesPerSecond: number, clock: Clock): TransferRate {
  return { up: new Pace(bytesPerSecond, clock), down: new Pace(bytesPerSecond, clock) };
}
