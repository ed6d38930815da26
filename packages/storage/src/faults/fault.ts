/**
 * What can go wrong with a storage, as data.
 *
 * @module
 */
import type { ErrorCode } from "@holdfast/kernel";

export type OperationKind = "put" | "get" | "list" | "stat" | "delete" | "free";

/** One call of a storage. */
export interface Operation {
  /** Counts the calls of one storage, from 0. */
  readonly index: number;
  readonly kind: OperationKind;
  /** Of the object, or the prefix of a list. */
  readonly name: string;
  /** Length of what is put, else 0. */
  readonly bytes: number;
}

/** Before the call takes effect, or after (for a list: at its end). */
export type Moment = "before" | "after";

export type Fault =
  /** The call rejects; `ERR_STORAGE_FAILED` unless another code is given. */
  | { readonly kind: "fail"; readonly moment: Moment; readonly code?: ErrorCode }
  /** The call waits for so long by the clock, or until it is aborted, then goes on. */
  | { readonly kind: "stall"; readonly ms?: number }
  /** A get resolves with `length` bytes (half of them when missing), against the contract. */
  | { readonly kind: "short-read"; readonly length?: number }
  /** A get has one wrong bit: the given one, or one that follows from the call's index. */
  | { readonly kind: "flip-bit"; readonly bit?: number }
  /** A list shows what there was so long ago. */
  | { readonly kind: "stale-list"; readonly ms: number }
  /** A put says `created`, or a delete says done, and less than that (for a delete: nothing) took place. */
  | { readonly kind: "lie"; readonly stored: "nothing" | "half" }
  /**
   * The process dies: this call and all later ones throw {@link SimulatedCrash}. With `residue: "half"` a put that is
   * cut short leaves the first half of its bytes under the final name, as a storage without atomic puts might.
   */
  | { readonly kind: "crash"; readonly moment: Moment; readonly residue?: "half" };

/** Says what goes wrong with a call; called once for each, in order. */
export type FaultPlan = (operation: Operation) => Fault | undefined;

const FITTING: Readonly<Record<Fault["kind"], readonly OperationKind[]>> = {
  fail: ["put", "get", "list", "stat", "delete", "free"],
  stall: ["put", "get", "list", "stat", "delete", "free"],
  crash: ["put", "get", "list", "stat", "delete", "free"],
  "short-read": ["get"],
  "flip-bit": ["get"],
  "stale-list": ["list"],
  lie: ["put", "delete"],
};

/** False for what cannot happen to such a call, such as a flipped bit in a delete. */
export function isFitting(fault: Fault, kind: OperationKind): boolean {
  return FITTING[fault.kind].includes(kind);
}

/** The end of a simulated process. Not an AppError: nothing may handle it but the simulation. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";

  constructor(operation: Operation) {
    super(`simulated crash at operation ${String(operation.index)}: ${operation.kind} ${operation.name}`);
  }
}
