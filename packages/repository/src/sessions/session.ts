/**
 * A running session: its object in the storage and its heartbeat (docs/format.md, section 9).
 *
 * The session object is what keeps a cleaner from deleting what a writer relies on. A session that cannot prove that it is
 * still seen gives up before anybody calls it lost.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { PREFIXES } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";
import {
  BEAT_INTERVAL_MS,
  decodeSessionBeat,
  encodeSessionBeat,
  parseSessionName,
  SESSION_GIVE_UP_MS,
  SESSION_LOST_MS,
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

/** A session of somebody, as found in the storage. */
export interface SeenSession {
  readonly session: string;
  /** Undefined when the object is damaged: nothing is known but that it is there. */
  readonly beat: SessionBeat | undefined;
  readonly objects: readonly string[];
  /** True when nobody needs to wait for it: its process has ended, or its heart stopped long ago. */
  readonly isOver: boolean;
}

export class Session {
  readonly id: Buffer;
  readonly role: SessionRole;
  readonly startedMs: number;
  readonly #ports: SessionPorts;
  readonly #owner: SessionOwner;
  #beats = 0;
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
    if (this.#ageMs() >= BEAT_INTERVAL_MS) await this.#beat();
  }

  /**
   * Makes sure, before something that others must not have deleted under it, that this session is still seen.
   *
   * @throws AppError `ERR_SESSION_LOST`.
   */
  async prove(): Promise<void> {
    this.#checkAge();
    const name = sessionObjectName(this.id, this.#beats);
    if ((await this.#ports.storage.stat(name)) === null) throw lost("its session object was removed");
  }

  async end(): Promise<void> {
    await this.#ports.storage.delete(sessionObjectName(this.id, this.#beats));
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
    if (this.#beats > 0) await this.prove();
    const previous = this.#beats;
    await storage.put(sessionObjectName(session, previous + 1), bytes);
    this.#beats = previous + 1;
    this.#beatMs = beatMs;
    this.#beatMonotonicMs = monotonicMs;
    if (previous > 0) await storage.delete(sessionObjectName(session, previous));
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

/** Every session there is, but the given one. */
export async function listSessions(
  ports: SessionPorts,
  owner: SessionOwner,
  own?: Buffer,
): Promise<SeenSession[]> {
  const seen: SeenSession[] = [];
  for (const [session, objects] of await listSessionObjects(ports, own)) {
    const found = await readSession(ports, owner, session, objects);
    if (found !== undefined) seen.push(found);
  }
  return seen;
}

async function listSessionObjects(ports: SessionPorts, own?: Buffer): Promise<Map<string, string[]>> {
  const objects = new Map<string, string[]>();
  for await (const { name } of ports.storage.list(PREFIXES.session)) {
    const parsed = parseSessionName(name);
    if (parsed === undefined || parsed.session === own?.toString("hex")) continue;
    objects.set(parsed.session, [...(objects.get(parsed.session) ?? []), name]);
  }
  return objects;
}

/** Undefined when the session has ended meanwhile. One that only beat again is there under another name. */
async function readSession(
  ports: SessionPorts,
  owner: SessionOwner,
  session: string,
  listed: readonly string[],
): Promise<SeenSession | undefined> {
  let objects: readonly string[] | undefined = listed;
  for (let attempt = 0; attempt < LIST_ATTEMPTS; attempt += 1) {
    const found = await readNewestBeat(ports, owner, session, objects.toSorted());
    if (found !== undefined) return found;
    objects = (await listSessionObjects(ports)).get(session);
    if (objects === undefined) return undefined;
  }
  return { session, beat: undefined, objects: listed, isOver: false };
}

async function readNewestBeat(
  ports: SessionPorts,
  owner: SessionOwner,
  session: string,
  objects: readonly string[],
): Promise<SeenSession | undefined> {
  const newest = objects.at(-1) ?? "";
  const bytes = await getIfThere(ports.storage, newest);
  if (bytes === undefined) return undefined;
  try {
    const beat = decodeSessionBeat(bytes, newest, owner.repository, owner.tableKey);
    const isOver = ports.clock.now() - beat.beatMs > SESSION_LOST_MS || ports.hasEnded(beat.process);
    return { session, beat, objects, isOver };
  } catch {
    const info = await ports.storage.stat(newest);
    const isOver = info !== null && ports.clock.now() - info.modifiedMs > SESSION_LOST_MS;
    return { session, beat: undefined, objects, isOver };
  }
}

function lost(reason: string): AppError {
  return new AppError("ERR_SESSION_LOST", `The session cannot go on safely: ${reason}.`, {
    remedy: "Run the same command again; what was written is used.",
  });
}
