/**
 * Gives back the space that no copy needs (docs/format.md, section 9).
 *
 * @module
 */
import type { Repository } from "../repository.ts";
import { listSessions, Session } from "../sessions/session.ts";
import { deadPacks, listPacks, packsToRepack, totalLength } from "./choose-packs.ts";
import {
  beforeAll,
  type CleanOptions,
  type CleanResult,
  REPACK_BELOW,
  waitedSession,
} from "./clean-options.ts";
import { Cleaner } from "./cleaner.ts";
import { listCondemnedState } from "./condemnations.ts";
import { listWholeCopies, markLive } from "./mark.ts";

/**
 * Deletes what no copy needs, or says why it cannot be deleted yet. Needs the table key only. With `dryRun` the numbers say
 * what a run would do with nobody else at work.
 *
 * @throws AppError `ERR_CLEANER_ACTIVE` when another cleaner is at work, `ERR_DAMAGED` when a manifest is damaged or something
 * that a copy needs is missing: nothing is deleted then; `ERR_SESSION_LOST`, `ERR_CANCELLED`, or an error of the storage.
 */
export async function clean(repository: Repository, options: CleanOptions = {}): Promise<CleanResult> {
  if (options.dryRun === true) return dryRun(repository, options);
  const { ports, keys } = repository;
  const session = await Session.start(ports.randomness(Buffer.alloc(16)), "cleaner", ports, keys);
  try {
    return await new Cleaner(repository, options, session).run();
  } finally {
    // What cannot be ended now is seen to be over by the next one.
    await session.end().catch(() => undefined);
  }
}

async function dryRun(repository: Repository, options: CleanOptions): Promise<CleanResult> {
  const { ports, keys } = repository;
  const { signal, onProgress, repackBelow = REPACK_BELOW } = options;
  const alive = (await listSessions(ports, keys)).filter(({ state }) => state === "alive");
  const { condemned } = await listCondemnedState({ ...ports, keys });
  const old = new Set(condemned.flatMap(({ packs }) => packs));
  const copies = await listWholeCopies(repository);
  using live = await markLive(repository, copies, {
    avoid: old,
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done) => onProgress?.({ phase: "looking", done, total: 0 }),
  });
  const dead = deadPacks(live, old);
  const beforeMs = beforeAll(alive, Number.MAX_SAFE_INTEGER);
  const { orphans, missing } = await listPacks(repository, live, old, beforeMs);
  const repacked = await packsToRepack(repository, live, old, repackBelow);
  const going = [...dead, ...orphans, ...repacked];
  return {
    packsDeleted: going.length,
    packsRepacked: repacked.length,
    bytesFreed: totalLength(going),
    bytesWritten: repacked.reduce((sum, { neededBytes }) => sum + neededBytes, 0),
    packsPending: old.size,
    bytesPending: live.lengthOf(old),
    ...(old.size > 0 && alive.length > 0 ? { pendingReason: "sessions" as const } : {}),
    waitingFor: alive.map(waitedSession),
    damagedPacks: [],
    missingPacks: missing,
    indexRepaired: false,
  };
}
