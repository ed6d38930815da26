/**
 * The queue at work in one process of the service: gives tasks to the devices whose channels it holds, stores what they say, answers
 * their requests, and ends what is lost.
 *
 * @module
 */
import type { Server } from "node:https";
import { AppError, type Clock, type Randomness, toErrorRecord } from "@holdfast/kernel";
import { DEVICE_LOST_MS, type ServiceMessage } from "@holdfast/protocol";
import type { AuditLog } from "../audit/audit.ts";
import type { Authority } from "../authority/authority.ts";
import { renewCertificate } from "../channel/certificate-renewal.ts";
import type { Channel, OtherMessage } from "../channel/channel.ts";
import { type ChannelHub, createChannelHub } from "../channel/channel-hub.ts";
import { attachChannels } from "../channel/channel-server.ts";
import { createOwnProcess, PROCESS_BEAT_MS } from "../channel/processes.ts";
import { createWatch } from "../channel/watch.ts";
import type { Database } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { asStart } from "../database/query-lines.ts";
import { createWakeUp, type WakeUp } from "./wake-up.ts";
import { giveOutTo, type GiveOutDependencies } from "./give-out.ts";
import { giveLease, renewLeases } from "./leases.ts";
import { endLostRuns } from "./lost-runs.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { createProgressStore } from "./progress.ts";
import { cancelledRuns, reconcile } from "./reconcile.ts";
import { type EventMessage, storeEvents } from "./run-events.ts";
import { createStarts } from "./starts.ts";
import type { TaskKinds } from "./task-kinds.ts";
import { devicesWithTasks } from "./waiting-tasks.ts";

export interface DispatcherDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly authority: Authority;
  readonly kinds: TaskKinds;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Told what nobody foresaw; the work goes on. */
  readonly failed: (error: unknown) => void;
  /** See `GiveOutDependencies`. */
  readonly handedOut?: (waitMs: number) => void;
  /** How often the clock is looked at. Default: 1 s; tests set 0 and call {@link Dispatcher.tick}. */
  readonly tickMs?: number;
}

export interface Dispatcher {
  /** Id of this process among those that share the database. */
  readonly processId: string;
  /** Answers the channel's upgrade requests of a server. */
  readonly attach: (server: Server) => void;
  readonly start: () => Promise<void>;
  /** Closes the channels, so that devices go to another process. */
  readonly stop: () => Promise<void>;
  /** What is due by the clock. */
  readonly tick: () => Promise<void>;
  /** Gives out what waits; resolves when that is done. */
  readonly dispatch: () => Promise<void>;
}

/** Devices that could not reach any process dial again within a minute of its start, or of a break: only then they can be lost. */
const START_GRACE_MS = 2 * DEVICE_LOST_MS;
const POLL_MS = 5000;
const SWEEP_MS = 10_000;
const PROGRESS_MS = 2000;
const TICK_MS = 1000;
/** Devices that are given tasks in one transaction. */
const DEVICES_TOGETHER = 20;
/** While one waits for the disk, the next one reads. */
const TRANSACTIONS_TOGETHER = 2;

export function createDispatcher(given: DispatcherDependencies): Dispatcher {
  const dependencies = { ...given, database: oneAtATime(given.database) };
  const { database, clock, failed } = dependencies;
  const own = createOwnProcess(dependencies);
  const work: GiveOutDependencies = { ...dependencies, processId: own.id };
  const progress = createProgressStore(database);
  const starts = createStarts(database, clock, (deviceId, message) => {
    hub.send(deviceId, message);
  });
  const live = createLive(database);
  const giving: GiveOutDependencies = {
    ...work,
    maybeGiven: (runs) => {
      for (const { deviceId, run, task } of runs) starts.expect(deviceId, { type: "start", run, task });
    },
  };
  const { wakeUp, isFree } = createGiveOut(dependencies, giving, () => ({ hub, starts }));
  const hub: ChannelHub = createChannelHub({
    ...dependencies,
    processId: own.id,
    handlers: {
      connected: async (deviceId, hello) => {
        const { messages, starts: again } = await reconcile(work, deviceId, hello);
        for (const start of again) starts.expect(deviceId, start);
        return [...messages, ...again];
      },
      ready: (deviceId) => {
        isFree(deviceId);
        tellCancelled(work, hub, deviceId).catch(failed);
      },
      events: async (channel, events) => {
        const hasEnded = await handleEvents(dependencies, starts, channel, events);
        if (!hasEnded) {
          live.later();
          return;
        }
        isFree(channel.identity.deviceId);
        await live.tell();
      },
      other: (channel, message) => handleOther(dependencies, progress, channel, message),
    },
  });
  const checkOwners = createWakeUp(() => hub.checkOwners(), failed);
  const watch = createWatch(clock);
  const due = createSchedule(clock, failed, [
    { everyMs: TICK_MS, run: async () => hub.cutSilent() },
    { everyMs: TICK_MS, run: () => live.tellWhatIsLate() },
    { everyMs: PROCESS_BEAT_MS, run: async () => own.beat().then(hub.storeSeen).then(watch.stored) },
    { everyMs: POLL_MS, run: () => wakeUp.done() },
    { everyMs: SWEEP_MS, run: () => hub.checkOwners() },
    { everyMs: POLL_MS, run: () => starts.repeat() },
    { everyMs: PROGRESS_MS, run: () => progress.store() },
    {
      everyMs: SWEEP_MS,
      run: async () => {
        if (watch.steadyMs() >= START_GRACE_MS && (await endLostRuns(work)) > 0) wakeUp.now();
      },
    },
  ]);
  return lifecycle(dependencies, { own, hub, wakeUp, checkOwners, due });
}

interface Parts {
  readonly own: ReturnType<typeof createOwnProcess>;
  readonly hub: ChannelHub;
  readonly wakeUp: WakeUp;
  readonly checkOwners: WakeUp;
  readonly due: () => Promise<void>;
}

function lifecycle(dependencies: DispatcherDependencies, parts: Parts): Dispatcher {
  const { database, failed, tickMs = TICK_MS } = dependencies;
  const { own, hub, wakeUp, checkOwners, due } = parts;
  const endings: (() => void)[] = [];
  let ticking: Promise<void> = Promise.resolve();
  return {
    processId: own.id,
    attach: (server) => {
      attachChannels(server, { ...dependencies, db: database.db, opened: hub.opened });
    },
    start: async () => {
      await own.start();
      endings.push(database.listen("tasks", wakeUp.now), database.listen("devices", checkOwners.now));
      if (tickMs === 0) return;
      let isTicking = false;
      const timer = setInterval(() => {
        if (isTicking) return;
        isTicking = true;
        ticking = due()
          .catch(failed)
          .finally(() => {
            isTicking = false;
          });
      }, tickMs);
      endings.push(() => {
        clearInterval(timer);
      });
    },
    stop: async () => {
      for (const end of endings.splice(0)) end();
      await Promise.all([hub.stop(), ticking, wakeUp.stop(), checkOwners.stop()]);
      await own.stop();
    },
    tick: due,
    dispatch: () => wakeUp.done(),
  };
}

interface Due {
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** Runs what is due, one after the other; what fails is reported and comes again. */
function createSchedule(
  clock: Pick<Clock, "monotonic">,
  failed: (error: unknown) => void,
  entries: readonly Due[],
): () => Promise<void> {
  const start = clock.monotonic();
  const next = entries.map(({ everyMs }) => start + everyMs);
  return async () => {
    for (const [index, entry] of entries.entries()) {
      const now = clock.monotonic();
      if (now < (next[index] ?? 0)) continue;
      next[index] = now + entry.everyMs;
      await entry.run().catch(failed);
    }
  };
}

interface Live {
  readonly tell: () => Promise<void>;
  readonly later: () => void;
  readonly tellWhatIsLate: () => Promise<void>;
}

/** Tells who looks on: of ends at once, of lines of a log once a second. */
function createLive(database: Database): Live {
  let isLate = false;
  const tell = async (): Promise<void> => {
    isLate = false;
    await database.notify("live");
  };
  return {
    tell,
    later: () => {
      isLate = true;
    },
    tellWhatIsLate: async () => (isLate ? tell() : undefined),
  };
}

interface GiveOut {
  /** Looks at all devices for which tasks wait. */
  readonly wakeUp: WakeUp;
  /** Looks at one that can take another task. */
  readonly isFree: (deviceId: string) => void;
}

function createGiveOut(
  dependencies: DispatcherDependencies,
  work: GiveOutDependencies,
  outlets: () => Outlets,
): GiveOut {
  const free = new Set<string>();
  let isAnyWanted = false;
  const look = async (): Promise<void> => {
    const { hub } = outlets();
    const wantsAny = isAnyWanted;
    const freed = [...free];
    // What comes while this waits is wanted anew.
    isAnyWanted = false;
    free.clear();
    if (wantsAny) await tellCancelled(work, hub);
    const devices = wantsAny ? await devicesWithTasks(work, hub.devices()) : freed;
    await giveToAll(dependencies, work, outlets(), devices);
  };
  const giveOut = createWakeUp(() => asStart(look), dependencies.failed);
  return {
    wakeUp: {
      ...giveOut,
      now: () => {
        isAnyWanted = true;
        giveOut.now();
      },
      done: async () => {
        isAnyWanted = true;
        await giveOut.done();
      },
    },
    isFree: (deviceId) => {
      free.add(deviceId);
      giveOut.now();
    },
  };
}

interface Outlets {
  readonly hub: ChannelHub;
  readonly starts: ReturnType<typeof createStarts>;
}

async function giveToAll(
  { failed, database }: DispatcherDependencies,
  work: GiveOutDependencies,
  { hub, starts }: Outlets,
  devices: readonly string[],
): Promise<void> {
  let count = 0;
  const give = async (some: readonly string[]): Promise<void> => {
    const given = await giveOutTo(work, some);
    count += given.length;
    for (const { run, deviceId, task } of given) {
      const start = { type: "start", run, task } as const;
      starts.expect(deviceId, start);
      hub.send(deviceId, start);
    }
  };
  const waiting = [...devices];
  const giveToNext = async (): Promise<void> => {
    for (
      let next = waiting.splice(0, DEVICES_TOGETHER);
      next.length > 0;
      next = waiting.splice(0, DEVICES_TOGETHER)
    )
      await give(next).catch(failed);
  };
  await Promise.all(Array.from({ length: TRANSACTIONS_TOGETHER }, giveToNext));
  if (count > 0) await database.notify("live");
}

/** Tells devices, or one of them, to end what was cancelled. */
async function tellCancelled(work: GiveOutDependencies, hub: ChannelHub, only?: string): Promise<void> {
  const devices = only === undefined ? hub.devices() : new Set([only]);
  for (const { run, deviceId, reason } of await cancelledRuns(work.database.db, devices))
    hub.send(deviceId, { type: "cancel", run, reason });
}

/** @returns true when the device has become free for another task. */
async function handleEvents(
  dependencies: DispatcherDependencies,
  starts: ReturnType<typeof createStarts>,
  channel: Channel,
  events: readonly EventMessage[],
): Promise<boolean> {
  const stored = await storeEvents(dependencies, channel.identity.deviceId, events);
  for (const { run, acknowledged, unwanted, ended } of stored) {
    starts.arrived(run);
    channel.send({ type: "acknowledge", run, number: acknowledged });
    if (unwanted && !ended)
      channel.send({ type: "cancel", run, reason: "The service has given up this run." });
  }
  return stored.some(({ ended }) => ended);
}

async function handleOther(
  dependencies: DispatcherDependencies,
  progress: ReturnType<typeof createProgressStore>,
  channel: Channel,
  message: OtherMessage,
): Promise<void> {
  const { deviceId } = channel.identity;
  if (message.type === "progress") progress.keep(deviceId, message.run, message.progress);
  else if (message.type === "beat")
    channel.send({ type: "beat", leases: await renewLeases(dependencies, deviceId) });
  else channel.send(await answerRequest(dependencies, channel, message));
}

async function answerRequest(
  dependencies: DispatcherDependencies,
  { identity }: Channel,
  { id, request }: Extract<OtherMessage, { type: "request" }>,
): Promise<ServiceMessage> {
  try {
    if (request.kind === "lease") {
      const publicKey = Buffer.from(request.publicKey, "base64");
      const lease = await giveLease(dependencies, identity.deviceId, request.run, publicKey);
      return { type: "answer", id, answer: { kind: "lease", ...lease } };
    }
    const certificateRequest = Buffer.from(request.certificateRequest, "base64");
    const certificate = await renewCertificate(dependencies, identity, certificateRequest);
    return { type: "answer", id, answer: { kind: "renew", certificate } };
  } catch (error) {
    // What is not an answer to the agent is not told to it: a refusal would end its run, a channel that ends has it ask again.
    if (!(error instanceof AppError) || isOfDatabase(error)) throw error;
    return { type: "refusal", id, error: toErrorRecord(error) };
  }
}
