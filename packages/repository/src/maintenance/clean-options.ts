/**
 * What a clean-up is asked, and what it tells.
 *
 * @module
 */
import type { SeenSession } from "../sessions/session.ts";
import type { PendingReason } from "./condemnations.ts";

export type CleanPhase = "looking" | "repacking" | "checking" | "deleting";

export interface CleanProgress {
  readonly phase: CleanPhase;
  /** Tree records read, or packs repacked or deleted. */
  readonly done: number;
  /** 0 when unknown. */
  readonly total: number;
}

export interface CleanOptions {
  /** Only finds out what there is to do, and writes nothing. */
  readonly dryRun?: boolean;
  /** A pack is repacked when less than this share of its records is needed. Default 0.5. */
  readonly repackBelow?: number;
  /** Packs, in hex, whose content was found not to match their name: nobody is to rely on them any more. */
  readonly damagedPacks?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CleanProgress) => void;
}

/** A session that a deletion waits for. */
export interface WaitedSession {
  readonly session: string;
  /** Empty when its object cannot be read. */
  readonly host: string;
  readonly startedMs: number | undefined;
}

export interface CleanResult {
  readonly packsDeleted: number;
  /** Packs whose needed records were copied to new ones. */
  readonly packsRepacked: number;
  /** Bytes of the packs that were deleted. */
  readonly bytesFreed: number;
  /** Bytes of the packs that repacking wrote. */
  readonly bytesWritten: number;
  /** Packs that a later run deletes. */
  readonly packsPending: number;
  readonly bytesPending: number;
  /** Absent when nothing is pending. */
  readonly pendingReason?: PendingReason;
  /** Whom the pending packs wait for. */
  readonly waitingFor: readonly WaitedSession[];
  /** Packs, in hex, that copies need and that are damaged; only those that were given or were to be repacked. */
  readonly damagedPacks: readonly string[];
  /** Packs, in hex, that copies need and that are not there; packs that no index names are kept as long as there are any. */
  readonly missingPacks: readonly string[];
  /** What damaged or missing index segments said was written anew from the packs. */
  readonly indexRepaired: boolean;
}

export const REPACK_BELOW = 0.5;

/** When the first of the sessions began, by the storage's clock. */
export function beforeAll(sessions: readonly SeenSession[], atLatestMs: number): number {
  const firsts = sessions.flatMap(({ objects }) => objects.map(({ modifiedMs }) => modifiedMs));
  return firsts.reduce((earliest, ms) => Math.min(earliest, ms), atLatestMs);
}

export function waitedSession({ session, beat }: SeenSession): WaitedSession {
  return { session, host: beat?.process.host ?? "", startedMs: beat?.startedMs };
}
