/**
 * The events of one run, numbered, until the service has stored them (docs/protocol.md, section 3).
 *
 * @module
 */
import { EVENTS_UNACKNOWLEDGED_MAX, END_KINDS, FRAME_BYTES_MAX, type RunEvent } from "@holdfast/protocol";
import { failedEvent, logEvent } from "./event-text.ts";

export interface NumberedEvent {
  readonly number: number;
  /** Milliseconds since the epoch, by the agent's clock. */
  readonly at: number;
  readonly event: RunEvent;
}

interface Kept extends NumberedEvent {
  readonly bytes: number;
}

/** Of all events that are kept: ten thousand long texts are more than an agent may hold. */
const BYTES_MAX = 8 * 1024 * 1024;
/** For the rest of the frame around an event. */
const FRAME_RESERVE_BYTES = 4096;

export class EventOutbox {
  /** In order, without gaps. */
  #kept: Kept[] = [];
  #bytes = 0;
  #nextNumber = 1;
  /** The last one that went out on the present connection. */
  #sent = 0;
  #leftOut = 0;
  #hasEnded = false;

  /** Number of the first event that the service has not acknowledged. */
  get nextEvent(): number {
    return this.#kept[0]?.number ?? this.#nextNumber;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The end is stored: there is nothing more to do for this run. */
  get isDone(): boolean {
    return this.#hasEnded && this.#kept.length === 0;
  }

  /** Logs and warnings that have no room any more are counted instead. */
  add(event: RunEvent, at: number): void {
    if (this.#hasEnded) return;
    if (END_KINDS.has(event.kind)) {
      this.#tellLeftOut(at);
      this.#hasEnded = true;
      this.#keep(fitting(event), at);
      return;
    }
    if (this.#kept.length >= EVENTS_UNACKNOWLEDGED_MAX || this.#bytes >= BYTES_MAX) {
      this.#leftOut += 1;
      return;
    }
    this.#tellLeftOut(at);
    this.#keep(event, at);
  }

  /** @returns false when there was no event with this number. */
  acknowledge(number: number): boolean {
    if (number >= this.#nextNumber) return false;
    const count = this.#kept.findIndex((event) => event.number > number);
    const gone = this.#kept.splice(0, count < 0 ? this.#kept.length : count);
    for (const { bytes } of gone) this.#bytes -= bytes;
    this.#sent = Math.max(this.#sent, number);
    return true;
  }

  /** The connection is another one: what is not acknowledged goes out again. */
  rewind(): void {
    this.#sent = this.nextEvent - 1;
  }

  /** The next event that has not gone out. */
  next(): NumberedEvent | undefined {
    const kept = this.#kept[this.#sent + 1 - this.nextEvent];
    if (kept === undefined) return undefined;
    this.#sent = kept.number;
    return { number: kept.number, at: kept.at, event: kept.event };
  }

  #tellLeftOut(at: number): void {
    if (this.#leftOut === 0) return;
    const text = `${String(this.#leftOut)} warnings and lines of the log were left out: the service could not take them.`;
    this.#leftOut = 0;
    this.#keep(logEvent("warning", text), at);
  }

  #keep(event: RunEvent, at: number): void {
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#kept.push({ number: this.#nextNumber, at: Math.trunc(at), event, bytes });
    this.#nextNumber += 1;
    this.#bytes += bytes;
  }
}

/** Results are bounded where they are made; this keeps one that is not from blocking the channel for ever. */
function fitting(event: RunEvent): RunEvent {
  if (Buffer.byteLength(JSON.stringify(event)) <= FRAME_BYTES_MAX - FRAME_RESERVE_BYTES) return event;
  return failedEvent({
    code: "ERR_PROTOCOL",
    message: "The task was done, but its result is too large to be sent.",
    subject: undefined,
    remedy: "Report this with the kind of the task.",
  });
}
