/**
 * One channel to one device: frames in, checked and in order, and frames out.
 *
 * What arrives while the database is busy is handled together afterwards; when it becomes too much, the socket is not read
 * until it is done.
 *
 * @module
 */
import { type Clock, isAppError } from "@holdfast/kernel";
import { type AgentMessage, agentMessage, type ServiceMessage } from "@holdfast/protocol";
import type { RawData, WebSocket } from "ws";
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { EventMessage } from "../tasks/run-events.ts";

/** Close codes of RFC 6455, section 7.4.1. */
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;

const INBOX_BYTES_MAX = 4 * 1024 * 1024;
const INBOX_MESSAGES_MAX = 1000;
const EVENTS_TOGETHER_MAX = 500;
/** A side that reads nothing is cut off. */
const OUTBOX_BYTES_MAX = 16 * 1024 * 1024;
/** So long the other side may take to confirm the end. */
const CLOSE_MS = 5000;

export type Hello = Extract<AgentMessage, { type: "hello" }>;
export type OtherMessage = Exclude<AgentMessage, { type: "hello" | "event" }>;

export interface ChannelHandlers {
  readonly hello: (channel: Channel, hello: Hello) => Promise<void>;
  /** As many as came together, in order. */
  readonly events: (channel: Channel, events: readonly EventMessage[]) => Promise<void>;
  readonly other: (channel: Channel, message: OtherMessage) => Promise<void>;
  readonly closed: (channel: Channel) => void;
  /** Something nobody foresaw; the channel is closed with 1011. */
  readonly failed: (error: unknown) => void;
  readonly clock: Pick<Clock, "monotonic">;
}

export interface Channel {
  readonly identity: ClientIdentity;
  /** Channels are numbered in the order in which they came. */
  readonly number: number;
  /** When something was heard last, by `monotonic` of the clock. */
  readonly heardAt: () => number;
  readonly hasSaidHello: () => boolean;
  readonly isOpen: () => boolean;
  readonly send: (message: ServiceMessage) => void;
  readonly close: (code: number, reason: string) => void;
  /** Cuts the connection. */
  readonly terminate: () => void;
  /** Resolves when nothing that came is being handled. */
  readonly idle: () => Promise<void>;
}

let channels = 0;

export function openChannel(socket: WebSocket, identity: ClientIdentity, handlers: ChannelHandlers): Channel {
  channels += 1;
  let heardAt = handlers.clock.monotonic();
  let saidHello = false;
  let isEnding = false;
  const channel: Channel = {
    identity,
    number: channels,
    heardAt: () => heardAt,
    hasSaidHello: () => saidHello,
    isOpen: () => !isEnding && socket.readyState === socket.OPEN,
    send: (message) => {
      if (!channel.isOpen()) return;
      socket.send(JSON.stringify(message));
      if (socket.bufferedAmount > OUTBOX_BYTES_MAX) channel.terminate();
    },
    close: (code, reason) => {
      if (isEnding) return;
      isEnding = true;
      // An end that waits behind unread frames would never be confirmed.
      if (socket.isPaused) socket.resume();
      socket.close(code, reason);
      setTimeout(() => socket.terminate(), CLOSE_MS).unref();
    },
    terminate: () => {
      isEnding = true;
      socket.terminate();
    },
    idle: () => inbox.idle(),
  };
  const inbox = createInbox(socket, channel, handlers);
  socket.on("message", (data: RawData, isBinary: boolean) => {
    if (isEnding) return;
    heardAt = handlers.clock.monotonic();
    const message = isBinary ? undefined : readFrame(data);
    // `hello` comes first, and once.
    if (message === undefined || (message.type === "hello") === saidHello) {
      channel.close(POLICY_VIOLATION, "A frame is not what the protocol allows.");
      return;
    }
    saidHello = true;
    inbox.accept(message, byteLength(data));
  });
  // `close` follows.
  socket.on("error", () => {
    isEnding = true;
  });
  socket.on("close", () => {
    isEnding = true;
    handlers.closed(channel);
  });
  return channel;
}

interface Inbox {
  readonly accept: (message: AgentMessage, bytes: number) => void;
  readonly idle: () => Promise<void>;
}

/** Handles messages one after the other; events that wait together are handled together. */
function createInbox(socket: WebSocket, channel: Channel, handlers: ChannelHandlers): Inbox {
  const inbox: AgentMessage[] = [];
  let waitingBytes = 0;
  let draining: Promise<void> | undefined;

  const handleNext = async (): Promise<void> => {
    const events = leadingEvents(inbox);
    if (events.length > 0) {
      inbox.splice(0, events.length);
      await handlers.events(channel, events);
      return;
    }
    const message = inbox.shift();
    if (message === undefined || message.type === "event") return;
    if (message.type === "hello") await handlers.hello(channel, message);
    else await handlers.other(channel, message);
  };
  const drain = async (): Promise<void> => {
    try {
      while (inbox.length > 0 && channel.isOpen()) await handleNext();
    } catch (error) {
      inbox.length = 0;
      if (isAppError(error, "ERR_PROTOCOL")) channel.close(POLICY_VIOLATION, error.message);
      else {
        handlers.failed(error);
        channel.close(INTERNAL_ERROR, "The service could not handle a message; connect again.");
      }
    }
    draining = undefined;
    waitingBytes = 0;
    if (socket.isPaused) socket.resume();
  };
  return {
    accept: (message, bytes) => {
      inbox.push(message);
      waitingBytes += bytes;
      if (waitingBytes > INBOX_BYTES_MAX || inbox.length > INBOX_MESSAGES_MAX) socket.pause();
      // Not in the same turn: what comes together is handled together.
      draining ??= Promise.resolve().then(drain);
    },
    idle: async () => draining,
  };
}

function leadingEvents(inbox: readonly AgentMessage[]): EventMessage[] {
  const events: EventMessage[] = [];
  for (const message of inbox) {
    if (message.type !== "event" || events.length === EVENTS_TOGETHER_MAX) break;
    events.push(message);
  }
  return events;
}

/** Undefined for what the schema refuses. */
function readFrame(data: RawData): AgentMessage | undefined {
  try {
    const text = Buffer.isBuffer(data) ? data.toString("utf8") : "";
    return agentMessage.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON, or nested so deeply that the stack ends.
    return undefined;
  }
}

function byteLength(data: RawData): number {
  return Buffer.isBuffer(data) ? data.length : 0;
}
