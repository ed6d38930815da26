/**
 * The right to give a name, held by one writer at a time.
 *
 * `MOVE` with `Overwrite: F` does not suffice: Apache and nginx look whether the name is free and then rename, and of two
 * writers at the same moment the second replaces the first one's object. Making a folder is one step on every file system,
 * so a folder is the claim. Whoever holds it checks that the name is free, moves, and removes the claim.
 *
 * A writer that was cut off leaves its claim behind. A move takes a moment, so a claim is void after 20 seconds by the
 * server's clock, and whoever holds one moves within 10 or not at all. Should a server put a move off for longer,
 * `Overwrite: F` still stands in its way.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import type { DavClient } from "./dav-client.ts";
import { statusFailure } from "./failures.ts";

const VOID_AFTER_MS = 20_000;
/** A holder does not rely on its claim for longer. */
export const HELD_MS = VOID_AFTER_MS / 2;
const WAIT_FIRST_MS = 20;
const WAIT_LONGEST_MS = 500;
/** Longer than any claim lasts: to wait is cheaper than to upload again. */
const WAIT_IN_ALL_MS = VOID_AFTER_MS + 10_000;

const REFUSALS_MAX = 3;

export interface Claim {
  readonly client: DavClient;
  readonly clock: Clock;
  /** Name of the object, for messages. */
  readonly name: string;
  /** Path of the claim's folder. */
  readonly path: string;
  /** Path of the object. */
  readonly final: string;
}

/** `exists` when another writer has given the name meanwhile. */
export async function acquire(
  claim: Claim,
  signal: AbortSignal,
): Promise<"claimed" | "exists" | "no-parent"> {
  const { client, clock } = claim;
  const startMs = clock.monotonic();
  let refusals = 0;
  for (let waitMs = WAIT_FIRST_MS; ; waitMs = Math.min(2 * waitMs, WAIT_LONGEST_MS)) {
    const outcome = await client.makeFolder(claim.path, signal);
    if (outcome === "made") return "claimed";
    if (outcome === "no-parent") return "no-parent";
    const held = await removeVoid(claim, signal);
    // Who loses a race is refused too; but not time and again while nobody holds the claim.
    refusals = outcome === "unclear" && !held ? refusals + 1 : 0;
    if (refusals === REFUSALS_MAX) throw statusFailure(403, "Making a folder", client.location);
    if ((await client.lookUp(claim.final, signal)) !== null) return "exists";
    if (clock.monotonic() - startMs > WAIT_IN_ALL_MS) throw occupied(claim);
    await sleep(claim, waitMs, signal);
  }
}

/** False when nobody holds the claim (any more). */
async function removeVoid({ client, path }: Claim, signal: AbortSignal): Promise<boolean> {
  const found = await client.find(path, "0", signal);
  const modifiedMs = found?.resources[0]?.modifiedMs;
  if (found === null) return false;
  if (modifiedMs === undefined || found.serverMs === undefined) return true;
  if (found.serverMs - modifiedMs <= VOID_AFTER_MS) return true;
  await client.remove(path, signal);
  return false;
}

async function sleep({ clock, client }: Claim, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    throwIfAborted(signal, client.location);
    throw error;
  }
}

function occupied({ name, client }: Claim): AppError {
  return new AppError(
    "ERR_STORAGE_FAILED",
    `Another writer is storing ${name} in ${client.location}, or was cut off while it did.`,
    { subject: name, remedy: "Try again." },
  );
}
