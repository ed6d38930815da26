/**
 * A running session: its objects in the storage and its heartbeat (docs/format.md, section 9).
 *
 * A session object is what keeps a cleaner from deleting what a writer relies on. The first one stays until the session
 * ends, and is never made again: whoever calls a session lost deletes it, and the session finds out before and after it
 * publishes anything. So no clock decides what is safe, only how long somebody waits.
 *
 * @module
 */
import { AppError, type Clock, isAppError } from "@holdfast/kernel";
import type { ObjectInfo, Storage } from "@holdfast/storage";
import { PREFIXES } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";
import {
  BEAT_INTERVAL_MS,
  decodeSessionBeat,
  encodeSessionBeat,
  FENCE_BEAT,
  FENCE_KEPT_MS,
  FIRST_BEAT,
  parseSessionName,
  SESSION_GIVE_UP_MS,
  SESSION_LOST_MS,
  SESSION_LOST_STALE_MS,
  type SessionBeat,
  type SessionProcess,
  type SessionRole,
  sessionObjectName,
} from "./session-object.ts";

/** A beat more or less between list and get is normal; more than so many is not. */
const LIST_ATTEMPTS = 5;

export interface SessionPorts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly process: SessionProcess;
  /** True when a process of this machine, as described, surely runs no more. */
  readonly hasEnded: (process: SessionProcess) => boolean;
}

export interface SessionOwner {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
}

/**
 * - `alive`: whoever deletes something waits for it.
 * - `ended`: its process surely runs no more.
 * - `lost`: its heart stopped long ago.
 * - `fenced`: it was lost, and somebody saw to it that it notices if it comes back.
 */
export type SessionState = "alive" | "ended" | "lost" | "fenced";

/** A session of somebody, as found in the storage. */
export interface SeenSession {
  readonly session: string;
  /** Undefined when the object is damaged: nothing is known but that it is there. */
  readonly beat: SessionBeat | undefined;
  /** The first one first. */
  readonly objects: readonly ObjectInfo[];
  readonly state: SessionState;
}

export class Session {
  readonly id: Buffer;
  readonly role: SessionRole;
  readonly startedMs: number;
  readonly #ports: SessionPorts;
  readonly #owner: SessionOwner;
  /** Number of the newest object. */
  #beats = 0;
  /** Highest number that there may be an object of. */
  #tried = 0;
  /** Lowest number that there may be an object of, but the first. */
  #oldest = FIRST_BEAT + 1;
  #beating: Promise<void> | undefined;
  #beatMs: number;
  #beatMonotonicMs: number;

  private constructor(id: Buffer, role: SessionRole, ports: SessionPorts, owner: SessionOwner) {
    this.id = id;
    this.role = role;
    this.#ports = ports;
    this.#owner = owner;
    this.startedMs = ports.clock.now();
    this.#beatMs = this.startedMs;
    this.#beatMonotonicMs = ports.clock.monotonic();
  }

  static async start(
    id: Buffer,
    role: SessionRole,
    ports: SessionPorts,
    owner: SessionOwner,
  ): Promise<Session> {
    const session = new Session(id, role, ports, owner);
    await session.#beat();
    return session;
  }

  /** Beats when it is time to; to be called now and then. @throws AppError `ERR_SESSION_LOST`. */
  async keepAlive(): Promise<void> {
    this.#checkAge();
    if (this.#ageMs() < BEAT_INTERVAL_MS) return;
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    await this.#beating;
  }

  /**
   * Makes sure, before something that others must not have deleted under it, that this session is still seen.
   *
   * @throws AppError `ERR_SESSION_LOST`.
   */
  async prove(): Promise<void> {
    this.#checkAge();
    await this.confirm();
  }

  /**
   * Makes sure that nobody has called this session lost so far. After something was published, this says that whoever
   * deletes what it rests on has yet to look.
   *
   * @throws AppError `ERR_SESSION_LOST`.
   */
  async confirm(): Promise<void> {
    await this.sinceMs();
  }

  /** When it began, by the storage's clock. @throws AppError `ERR_SESSION_LOST`. */
  async sinceMs(): Promise<number> {
    const first = await this.#ports.storage.stat(sessionObjectName(this.id, FIRST_BEAT));
    if (first === null) throw lost("its session object was removed");
    return first.modifiedMs;
  }

  async end(): Promise<void> {
    const { storage } = this.#ports;
    for (let beat = this.#tried; beat >= this.#oldest; beat -= 1) {
      await storage.delete(sessionObjectName(this.id, beat));
    }
    await storage.delete(sessionObjectName(this.id, FIRST_BEAT));
  }

  async #beat(): Promise<void> {
    const { storage, clock, process } = this.#ports;
    const beatMs = clock.now();
    const monotonicMs = clock.monotonic();
    const { id: session, role, startedMs } = this;
    const bytes = encodeSessionBeat(
      { session, role, startedMs, beatMs, process },
      this.#owner.repository,
      this.#owner.tableKey,
    );
    if (this.#beats > 0) await this.confirm();
    // An earlier try may have stored its object without saying so; that one tells an earlier time.
    this.#tried += 1;
    while ((await storage.put(sessionObjectName(session, this.#tried), bytes)) === "exists") this.#tried += 1;
    this.#beats = this.#tried;
    this.#beatMs = beatMs;
    this.#beatMonotonicMs = monotonicMs;
    for (; this.#oldest < this.#beats; this.#oldest += 1) {
      await storage.delete(sessionObjectName(session, this.#oldest));
    }
  }

  /** The wall clock sees a machine that slept, the monotonic one a wall clock that was set back. */
  #ageMs(): number {
    const { clock } = this.#ports;
    return Math.max(clock.now() - this.#beatMs, clock.monotonic() - this.#beatMonotonicMs);
  }

  #checkAge(): void {
    if (this.#ageMs() > SESSION_GIVE_UP_MS) throw lost("it could not show a sign of life for 12 hours");
  }
}

/**
 * Ends a session that has ended or is lost for everybody. Its first object goes before anything that it relies on: should
 * it be alive after all, it finds out. In place of a lost one stays a fence that says for a while that it may come back.
 */
export async function closeSession(storage: Storage, seen: SeenSession): Promise<void> {
  if (seen.state === "alive" || seen.state === "fenced") return;
  const fence = sessionObjectName(Buffer.from(seen.session, "hex"), FENCE_BEAT);
  const newest = seen.objects.at(-1);
  if (seen.state === "lost" && newest !== undefined && newest.name !== fence) {
    const bytes = await getIfThere(storage, newest.name);
    if (bytes === undefined) return;
    await storage.put(fence, bytes);
  }
  for (const { name } of seen.objects) if (name !== fence) await storage.delete(name);
}

/**
 * Deletes a fence that nobody can come back to any more.
 *
 * @param nowMs by the storage's clock.
 */
export async function removeOldFence(storage: Storage, seen: SeenSession, nowMs: number): Promise<boolean> {
  const [fence] = seen.objects;
  if (seen.state !== "fenced" || fence === undefined || nowMs - fence.modifiedMs < FENCE_KEPT_MS)
    return false;
  await storage.delete(fence.name);
  return true;
}

/** Every session there is, but the given one. */
export async function listSessions(
  ports: SessionPorts,
  owner: SessionOwner,
  own?: Buffer,
): Promise<SeenSession[]> {
  const seen: SeenSession[] = [];
  const ownHex = own?.toString("hex");
  const listed = await listSessionObjects(ports);
  const nowMs = storageNow(ports, ownHex === undefined ? undefined : listed.get(ownHex));
  for (const [session, objects] of listed) {
    if (session === ownHex) continue;
    const found = await readSession(ports, owner, session, objects, nowMs);
    if (found !== undefined) seen.push(found);
  }
  return seen;
}

/** By the storage's clock if it can be told, so that a wrong clock of a machine makes nobody lost. */
function storageNow(ports: SessionPorts, own: readonly ObjectInfo[] | undefined): number {
  const newest = own?.at(-1);
  return newest === undefined ? ports.clock.now() : newest.modifiedMs;
}

/** Objects by session, the first one first. */
async function listSessionObjects(ports: SessionPorts): Promise<Map<string, ObjectInfo[]>> {
  const objects = new Map<string, ObjectInfo[]>();
  for await (const object of ports.storage.list(PREFIXES.session)) {
    const parsed = parseSessionName(object.name);
    if (parsed === undefined) continue;
    objects.set(parsed.session, [...(objects.get(parsed.session) ?? []), object]);
  }
  for (const found of objects.values()) found.sort((one, other) => (one.name < other.name ? -1 : 1));
  return objects;
}

/** Undefined when the session has ended meanwhile. One that only beat again is there under another name. */
async function readSession(
  ports: SessionPorts,
  owner: SessionOwner,
  session: string,
  listed: readonly ObjectInfo[],
  nowMs: number,
): Promise<SeenSession | undefined> {
  let objects: readonly ObjectInfo[] | undefined = listed;
  let wasLost = false;
  for (let attempt = 0; attempt < LIST_ATTEMPTS; attempt += 1) {
    const found = await readNewestBeat(ports, owner, session, objects, nowMs);
    // A list made during a beat may miss the new object: only a second one can call a session lost.
    if (found !== undefined && (found.state !== "lost" || wasLost)) return found;
    wasLost = found !== undefined;
    objects = (await listSessionObjects(ports)).get(session);
    if (objects === undefined) return undefined;
  }
  return { session, beat: undefined, objects: listed, state: "alive" };
}

async function readNewestBeat(
  ports: SessionPorts,
  owner: SessionOwner,
  session: string,
  objects: readonly ObjectInfo[],
  nowMs: number,
): Promise<SeenSession | undefined> {
  const newest = objects.at(-1);
  if (newest === undefined) return undefined;
  if (parseSessionName(newest.name)?.beat === FENCE_BEAT) {
    return { session, beat: undefined, objects, state: objects.length === 1 ? "fenced" : "lost" };
  }
  const bytes = await getIfThere(ports.storage, newest.name);
  if (bytes === undefined) return undefined;
  const lostMs = ports.storage.capabilities.listConsistent ? SESSION_LOST_MS : SESSION_LOST_STALE_MS;
  const byAge = nowMs - newest.modifiedMs > lostMs ? "lost" : "alive";
  try {
    const beat = decodeSessionBeat(bytes, newest.name, owner.repository, owner.tableKey);
    return { session, beat, objects, state: ports.hasEnded(beat.process) ? "ended" : byAge };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { session, beat: undefined, objects, state: byAge };
  }
}

function lost(reason: string): AppError {
  return new AppError("ERR_SESSION_LOST", `The session cannot go on safely: ${reason}.`, {
    remedy: "Run the same command again; what was written is used.",
  });
}
