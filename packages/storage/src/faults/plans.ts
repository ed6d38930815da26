/**
 * Ready-made fault plans. All are deterministic: the same calls meet the same faults.
 *
 * @module
 */
import { type Fault, type FaultPlan, isFitting, type Operation } from "./fault.ts";

export const noFaults: FaultPlan = () => undefined;

/** One fault, at the call with this index. */
export function faultAt(index: number, fault: Fault): FaultPlan {
  return (operation) => (operation.index === index ? fault : undefined);
}

/** Faults by the index of the call. */
export function scriptedFaults(script: ReadonlyMap<number, Fault>): FaultPlan {
  return (operation) => script.get(operation.index);
}

/** A fault at the `nth` call (from 0) that matches, or at every one that does when `nth` is missing. */
export function faultOn(matches: (operation: Operation) => boolean, fault: Fault, nth?: number): FaultPlan {
  let count = 0;
  return (operation) => {
    if (!matches(operation)) return undefined;
    count += 1;
    return nth === undefined || count === nth + 1 ? fault : undefined;
  };
}

/** The first plan that has a fault for a call decides; each plan sees every call. */
export function firstFault(...plans: readonly FaultPlan[]): FaultPlan {
  return (operation) => plans.map((plan) => plan(operation)).find((fault) => fault !== undefined);
}

export interface SeededFaults {
  readonly seed: number;
  /** Of a fault at one call, 0 to 1. */
  readonly probability: number;
  /** One that fits the call is picked. */
  readonly faults: readonly Fault[];
}

/** Random faults that depend on the seed and the call's index alone. */
export function seededFaults(options: SeededFaults): FaultPlan {
  return ({ index, kind }) => {
    if (fraction(options.seed, index * 2) >= options.probability) return undefined;
    const fitting = options.faults.filter((fault) => isFitting(fault, kind));
    return fitting[Math.floor(fraction(options.seed, index * 2 + 1) * fitting.length)];
  };
}

/** The output function of mulberry32 at step `index`, as a number in [0, 1). */
export function fraction(seed: number, index: number): number {
  const state = (seed + Math.imul(index + 1, 0x6d2b79f5)) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
