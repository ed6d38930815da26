/**
 * The channels of this process: one for each device, the newest (docs/protocol.md, section 3).
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { BEAT_MS, CLOSE_CODES, LEASE_MS, type ServiceMessage, SILENCE_MS } from "@holdfast/protocol";
import type { WebSocket } from "ws";
import type { AuditLog } from "../audit/audit.ts";
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { Database } from "../database/database.ts";
import type { EventMessage } from "../tasks/run-events.ts";
import { type Channel, type Hello, openChannel, type OtherMessage } from "./channel.ts";
import { connectDevice } from "./hello.ts";
import { createOpenChannels } from "./open-channels.ts";

/** So long a device may take to say `hello`. */
const HELLO_MS = 15_000;
const GOING_AWAY = 1001;

/** What the queue does when a device speaks. */
export interface DeviceHandlers {
  /** The messages that follow `welcome`. */
  readonly connected: (deviceId: string, hello: Hello) => Promise<readonly ServiceMessage[]>;
  /** After `welcome` and what follows it were sent. */
  readonly ready: (deviceId: string) => void;
  readonly events: (channel: Channel, events: readonly EventMessage[]) => Promise<void>;
  readonly other: (channel: Channel, message: OtherMessage) => Promise<void>;
}

export interface HubDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly processId: string;
  readonly handlers: DeviceHandlers;
  readonly failed: (error: unknown) => void;
}

export interface ChannelHub {
  /** A device whose certificate was found good has dialled. */
  readonly opened: (socket: WebSocket, identity: ClientIdentity) => void;
  /** Devices that have said `hello`. */
  readonly devices: () => ReadonlySet<string>;
  /** Does nothing when the device is not here. */
  readonly send: (deviceId: string, message: ServiceMessage) => void;
  /** Cuts channels that are silent, late with `hello`, or whose certificate has ended. */
  readonly cutSilent: () => void;
  /** Closes channels of devices that were disabled or removed, or that are connected to another process. */
  readonly checkOwners: () => Promise<void>;
  /** Writes down when devices were heard. */
  readonly storeSeen: () => Promise<void>;
  /** Closes all channels; resolves when nothing that they brought is being handled. */
  readonly stop: () => Promise<void>;
}

export function createChannelHub(dependencies: HubDependencies): ChannelHub {
  const { clock, database, handlers, failed } = dependencies;
  /** All, with those that have not said `hello`. */
  const open = createOpenChannels();
  const ready = new Map<string, Channel>();
  /** How many channels of a device are between `hello` and `welcome`. */
  const connecting = createCounts();
  /** When {@link ChannelHub.storeSeen} was called last. */
  let storedAt = clock.monotonic();
  /** When the database was told that the device is at this channel. */
  const connectedAt = new WeakMap<Channel, number>();
  let isStopping = false;

  const takeOff = async (channel: Channel): Promise<void> => {
    const at = connectedAt.get(channel);
    if (at !== undefined) await disconnect(dependencies, channel.identity.deviceId, at);
  };
  const hello = async (channel: Channel, message: Hello): Promise<void> => {
    const { deviceId } = channel.identity;
    connecting.add(deviceId);
    try {
      const connected = await connectDevice(dependencies, channel.identity, message);
      if (typeof connected === "string") {
        channel.close(CLOSE_CODES[connected], REASONS[connected]);
        return;
      }
      connectedAt.set(channel, connected);
      const following = await handlers.connected(deviceId, message);
      const before = ready.get(deviceId);
      if (!channel.isOpen() || (before !== undefined && before.number > channel.number)) {
        channel.close(CLOSE_CODES.replaced, REPLACED);
        return;
      }
      before?.close(CLOSE_CODES.replaced, REPLACED);
      ready.set(deviceId, channel);
      sendWelcome(channel, following);
    } finally {
      connecting.remove(deviceId);
      // It was closed meanwhile, or could not be reconciled: nobody else takes the device off.
      if (!connecting.has(deviceId) && !ready.has(deviceId)) await takeOff(channel);
    }
    handlers.ready(deviceId);
    // Another process may have an older channel.
    await database.notify("devices");
  };

  const closed = (channel: Channel): void => {
    open.delete(channel);
    const { deviceId } = channel.identity;
    if (ready.get(deviceId) !== channel) return;
    ready.delete(deviceId);
    if (isStopping || connecting.has(deviceId)) return;
    takeOff(channel).catch(failed);
  };

  return {
    opened: (socket, identity) => {
      if (isStopping) {
        socket.close(CLOSE_CODES.stopping, "The service stops.");
        return;
      }
      open.add(openChannel(socket, identity, { ...handlers, hello, closed, failed, clock }));
    },
    devices: () => new Set(ready.keys()),
    send: (deviceId, message) => ready.get(deviceId)?.send(message),
    cutSilent: () => cutSilent(open, clock),
    checkOwners: () => checkOwners(dependencies, ready),
    storeSeen: () => {
      const since = storedAt;
      storedAt = clock.monotonic();
      return storeSeen(dependencies, ready, since);
    },
    stop: async () => {
      isStopping = true;
      for (const channel of open) channel.close(CLOSE_CODES.stopping, "The service stops.");
      await Promise.all(Array.from(open, (channel) => channel.idle()));
    },
  };
}

const REPLACED = "A newer channel has replaced this one.";

function sendWelcome(channel: Channel, following: readonly ServiceMessage[]): void {
  const device = channel.identity.deviceId;
  channel.send({ type: "welcome", device, heartbeatMs: BEAT_MS, leaseMs: LEASE_MS });
  for (const next of following) channel.send(next);
}

interface Counts {
  readonly add: (key: string) => void;
  readonly remove: (key: string) => void;
  readonly has: (key: string) => boolean;
}

function createCounts(): Counts {
  const counts = new Map<string, number>();
  return {
    add: (key) => {
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    remove: (key) => {
      const left = (counts.get(key) ?? 0) - 1;
      if (left > 0) counts.set(key, left);
      else counts.delete(key);
    },
    has: (key) => counts.has(key),
  };
}

const REASONS = {
  disabled: "The device was disabled or removed.",
  certificate: "The certificate was replaced by a newer one.",
} as const;

/** Unless the device has come back meanwhile, to this process or another one. */
async function disconnect(
  { database, processId }: HubDependencies,
  deviceId: string,
  connectedAt: number,
): Promise<void> {
  await database.db
    .updateTable("devices")
    .set({ process_id: null })
    .where("id", "=", deviceId)
    .where("process_id", "=", processId)
    .where("connected_at", "=", connectedAt)
    .execute();
  await database.notify("live");
}

function cutSilent(open: Iterable<Channel>, clock: Pick<Clock, "now" | "monotonic">): void {
  for (const channel of open) {
    const silentMs = clock.monotonic() - channel.heardAt();
    if (silentMs > (channel.hasSaidHello() ? SILENCE_MS : HELLO_MS)) channel.terminate();
    else if (clock.now() >= channel.identity.expiresAt)
      channel.close(CLOSE_CODES.certificate, "The certificate has ended; connect with the renewed one.");
  }
}

async function checkOwners(
  { database, processId }: HubDependencies,
  ready: ReadonlyMap<string, Channel>,
): Promise<void> {
  for (const ids of chunksOf([...ready.keys()])) {
    const rows = await database.db
      .selectFrom("devices")
      .select(["id", "disabled", "process_id", "certificate_serial", "next_certificate_serial"])
      .where("id", "in", ids)
      .execute();
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const id of ids) {
      const row = byId.get(id);
      const channel = ready.get(id);
      if (row === undefined || row.disabled === 1)
        channel?.close(CLOSE_CODES.disabled, "The device was disabled or removed.");
      else if (row.process_id === null) channel?.close(GOING_AWAY, "Connect again.");
      else if (row.process_id !== processId) channel?.close(CLOSE_CODES.replaced, REPLACED);
    }
  }
}

async function storeSeen(
  { database, clock, processId }: HubDependencies,
  ready: ReadonlyMap<string, Channel>,
  since: number,
): Promise<void> {
  const heard = [...ready.values()]
    .map(({ identity, heardAt }) => ({ id: identity.deviceId, heardAt: heardAt() }))
    .filter(({ heardAt }) => heardAt >= since)
    .toSorted((one, other) => one.heardAt - other.heardAt);
  for (const chunk of chunksOf(heard)) {
    // The earliest of the chunk counts for all: a few seconds too long a silence at most.
    const agoMs = clock.monotonic() - (chunk[0]?.heardAt ?? 0);
    await database.db
      .updateTable("devices")
      .set({ seen_at: Math.floor(clock.now() - agoMs) })
      .where(
        "id",
        "in",
        chunk.map(({ id }) => id),
      )
      .where("process_id", "=", processId)
      .execute();
  }
}

const CHUNK = 500;

function* chunksOf<T>(items: readonly T[]): Generator<T[]> {
  for (let start = 0; start < items.length; start += CHUNK) yield items.slice(start, start + CHUNK);
}
