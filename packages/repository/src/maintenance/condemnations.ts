/**
 * What is condemned, and whose end its deletion waits for (docs/format.md, section 9).
 *
 * A writer lists what is condemned after its session object is there; a cleaner lists sessions after its condemned object is
 * there. So every session that does not know of a condemnation is in that list, whatever the clocks say. The cleaner deletes
 * when all of them are over; if that takes longer than its run, a wait object tells the next one for whom to wait.
 *
 * Where lists may be stale, both lists are trusted only after {@link STALE_LISTS_MS}, and so is the list of copies.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { KeySet } from "../keys/key-set.ts";
import {
  type Condemnation,
  CONDEMNED_PACKS_MAX,
  encodeCondemned,
  listCondemned,
} from "../sessions/condemned.ts";
import { STALE_LISTS_MS } from "../sessions/session-object.ts";
import { encodeWait, listWaits, type Wait } from "../sessions/wait.ts";

export interface CondemnationPorts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly keys: Pick<KeySet, "repository" | "tableKey">;
}

/** A condemned object with what is known about it. */
export interface Condemned extends Condemnation {
  readonly waits: readonly Wait[];
}

export interface CondemnedState {
  readonly condemned: readonly Condemned[];
  /** Objects that cannot be read or belong to nothing. */
  readonly useless: readonly string[];
}

/** Why packs are condemned and not deleted yet. */
export type PendingReason = "sessions" | "stale lists";

/** Everything that is condemned. Damaged objects are given by name: without a reader they protect nothing. */
export async function listCondemnedState(ports: CondemnationPorts): Promise<CondemnedState> {
  const { storage, keys } = ports;
  const damaged: string[] = [];
  const condemnations = await listCondemned(storage, keys.repository, keys.tableKey, (name) =>
    damaged.push(name),
  );
  const { waits, damaged: damagedWaits } = await listWaits(storage, keys.repository, keys.tableKey);
  const names = new Set(condemnations.map(({ name }) => name));
  const orphans = storage.capabilities.listConsistent
    ? waits.filter((wait) => !names.has(wait.condemned))
    : [];
  return {
    condemned: condemnations.map((condemnation) => ({
      ...condemnation,
      waits: waits.filter(({ condemned }) => condemned === condemnation.name),
    })),
    useless: [...damaged, ...damagedWaits, ...orphans.map(({ name }) => name)],
  };
}

/** Creates condemned objects for the packs, given in hex. */
export async function condemn(ports: CondemnationPorts, packs: readonly string[]): Promise<Condemned[]> {
  const { storage, clock, keys } = ports;
  const created: Condemned[] = [];
  for (let from = 0; from < packs.length; from += CONDEMNED_PACKS_MAX) {
    const part = packs.slice(from, from + CONDEMNED_PACKS_MAX);
    const timeMs = clock.now();
    const { name, bytes } = encodeCondemned(keys.repository, keys.tableKey, timeMs, part);
    await storage.put(name, bytes);
    created.push({ name, timeMs, packs: part, waits: [] });
  }
  return created;
}

/**
 * Whether the packs may be deleted after another look at the copies; otherwise the reason, and a wait object if there is
 * something new to tell the next cleaner.
 *
 * @param alive sessions, in hex, of a list that was made after the condemned object was there.
 */
export async function advance(
  ports: CondemnationPorts,
  condemned: Condemned,
  alive: readonly string[],
): Promise<"ready" | PendingReason> {
  const nowMs = ports.clock.now();
  const staleMs = ports.storage.capabilities.listConsistent ? 0 : STALE_LISTS_MS;
  const { waits } = condemned;
  // Sessions that saw the list stale, and those of a list that is stale itself.
  if (staleMs > 0 && waits.length === 0 && nowMs - condemned.timeMs < 2 * staleMs) return "stale lists";
  const sessions = alive.filter((session) => waits.every((wait) => wait.sessions.includes(session)));
  const settled = waits.filter((wait) => wait.sessions.length === 0);
  if (sessions.length === 0) {
    if (staleMs === 0 || settled.some((wait) => nowMs - wait.timeMs >= staleMs)) return "ready";
    if (settled.length > 0) return "stale lists";
  }
  const isKnown = waits.some((wait) => wait.sessions.length === sessions.length);
  if (!isKnown) await putWait(ports, { timeMs: nowMs, condemned: condemned.name, isDone: false, sessions });
  return sessions.length === 0 ? "stale lists" : "sessions";
}

/** Notes that the packs are deleted, for condemned objects that must stay for a while. */
export async function noteDone(ports: CondemnationPorts, condemned: Condemned): Promise<void> {
  if (condemned.waits.some(({ isDone }) => isDone)) return;
  const timeMs = ports.clock.now();
  await putWait(ports, { timeMs, condemned: condemned.name, isDone: true, sessions: [] });
}

/** Whether the packs are deleted, and every list shows so. */
export function isDoneForAll(ports: CondemnationPorts, condemned: Condemned): boolean {
  const staleMs = ports.storage.capabilities.listConsistent ? 0 : STALE_LISTS_MS;
  return condemned.waits.some(
    ({ isDone, timeMs }) => isDone && (staleMs === 0 || ports.clock.now() - timeMs >= staleMs),
  );
}

/** Deletes a condemned object, then what was noted about it. */
export async function release(ports: CondemnationPorts, condemned: Condemned): Promise<void> {
  await ports.storage.delete(condemned.name);
  for (const { name } of condemned.waits) await ports.storage.delete(name);
}

async function putWait(ports: CondemnationPorts, wait: Omit<Wait, "name">): Promise<void> {
  const { repository, tableKey } = ports.keys;
  const { name, bytes } = encodeWait(repository, tableKey, wait);
  await ports.storage.put(name, bytes);
}
