/**
 * The channel to the service, kept up: connects, says hello, beats, and comes back after every end of a connection
 * (docs/protocol.md, section 3).
 *
 * @module
 */
import { AppError, type Clock, isAppError, type Randomness } from "@holdfast/kernel";
import { type AgentMessage, type AgentRequest, CLOSE_CODES, type ServiceMessage } from "@holdfast/protocol";
import type { AgentLog } from "../agent-log.ts";
import { isAborted } from "../is-aborted.ts";
import { Backoff } from "./backoff.ts";
import { CLOSE_GOING_AWAY, type Closed, type Connection, type ConnectionEvents } from "./connection.ts";
import { type AnswerTo, isAnswerTo, Requests } from "./requests.ts";

type Hello = Extract<AgentMessage, { type: "hello" }>;
type Welcome = Extract<ServiceMessage, { type: "welcome" }>;
type Beat = Extract<ServiceMessage, { type: "beat" }>;
type Order = Extract<ServiceMessage, { type: "start" | "cancel" | "acknowledge" }>;

/** So many times a heartbeat without a word: the other side is gone. */
const SILENT_BEATS = 3;
/** The service says how often; more seldom than this would look like silence to itself. */
const HEARTBEAT_MS_MAX = 5 * 60_000;
const WELCOME_MS = 30_000;
const ANSWER_MS = 60_000;
const GOODBYE_MS = 2000;
const STEADY_MS = 30_000;
const CLOSE_POLICY = 1008;
const REASON_LENGTH_MAX = 120;

export interface ChannelPorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: AgentLog;
  readonly device: string;
  readonly connect: (events: ConnectionEvents, signal: AbortSignal) => Promise<Connection>;
}

export interface ChannelEvents {
  readonly hello: () => Hello;
  /** The service takes and sends messages now. */
  readonly onUp: (welcome: Welcome) => void;
  readonly onDown: () => void;
  readonly onOrder: (order: Order) => void;
  /** @param askedMs when the agent last beat, by the monotonic clock: the answer is younger. */
  readonly onBeat: (beat: Beat, askedMs: number) => void;
  readonly onDrained: () => void;
}

/** A connection that may have been welcomed. */
interface Attempt {
  readonly connection: Connection;
  /** Aborted when the connection has ended. */
  readonly ended: AbortSignal;
  /** By the monotonic clock: when something came last, when the last beat left. */
  heardMs: number;
  beatMs: number;
}

type RequestOf<K extends AgentRequest["kind"]> = Extract<AgentRequest, { kind: K }>;

interface Answered<K extends AgentRequest["kind"]> {
  readonly answer: AnswerTo<K>;
  /** When it was asked, by the monotonic clock. */
  readonly sentMs: number;
  readonly welcome: Welcome;
}

interface Live {
  readonly connection: Connection;
  readonly welcome: Welcome;
}

export class Channel {
  readonly #ports: ChannelPorts;
  readonly #events: ChannelEvents;
  readonly #requests = new Requests();
  readonly #backoff: Backoff;
  #live: Live | undefined;
  #up = Promise.withResolvers<Live>();
  #upSinceMs = 0;
  #lastError: AppError | undefined;

  constructor(ports: ChannelPorts, events: ChannelEvents) {
    this.#ports = ports;
    this.#events = events;
    this.#backoff = new Backoff(ports.randomness);
  }

  get isUp(): boolean {
    return this.#live !== undefined;
  }

  /** Why it is down, as far as that is known. */
  get lastError(): AppError | undefined {
    return this.#lastError;
  }

  get bufferedBytes(): number {
    return this.#live?.connection.bufferedBytes ?? 0;
  }

  /** @returns false while the channel is down. */
  send(message: AgentMessage): boolean {
    this.#live?.connection.send(message);
    return this.#live !== undefined;
  }

  /**
   * Asks as soon as the channel is up.
   *
   * @throws AppError the service's refusal; `ERR_SERVICE_UNREACHABLE` when the connection ended before the answer, so that
   * nobody knows whether there was one; `ERR_CANCELLED`.
   */
  requestLease(request: RequestOf<"lease">, signal: AbortSignal): Promise<Answered<"lease">> {
    return this.#request(request, signal);
  }

  /** As {@link requestLease}. */
  requestRenewal(request: RequestOf<"renew">, signal: AbortSignal): Promise<Answered<"renew">> {
    return this.#request(request, signal);
  }

  async #request<K extends AgentRequest["kind"]>(
    request: AgentRequest & { readonly kind: K },
    signal: AbortSignal,
  ): Promise<Answered<K>> {
    const { connection, welcome } = await this.#whenUp(signal);
    const sentMs = this.#now();
    const timeout = AbortSignal.timeout(ANSWER_MS);
    const send = (id: number): void => connection.send({ type: "request", id, request });
    const answer = await this.#requests.ask(request, send, { signal, timeout });
    if (!isAnswerTo(answer, request.kind)) throw new Error("requests let in an answer to something else");
    return { answer, sentMs, welcome };
  }

  /** Keeps the channel up until the signal is aborted, then says goodbye. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#serveOnce(signal);
      } catch (error) {
        if (!isAppError(error)) throw error;
        this.#note(error);
      }
      if (isAborted(signal)) return;
      await this.#ports.clock.sleep(this.#backoff.next(), signal).catch(() => undefined);
    }
  }

  #note(error: AppError): void {
    // Once, and not at each attempt through a long night.
    if (error.code !== "ERR_CANCELLED" && this.#lastError?.message !== error.message) {
      this.#ports.log("warning", `${error.message} ${error.remedy ?? ""}`.trimEnd());
    }
    this.#lastError = error;
    if (error.code === "ERR_AGENT_NOT_ENROLLED" || error.code === "ERR_SERVICE_UNTRUSTED") {
      this.#backoff.refused();
    }
  }

  async #whenUp(signal: AbortSignal): Promise<Live> {
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(new AppError("ERR_CANCELLED", "The request was given up."));
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      return await Promise.race([this.#up.promise, promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** One connection, from its beginning to its end. */
  async #serveOnce(signal: AbortSignal): Promise<void> {
    const closed = Promise.withResolvers<Closed>();
    const ending = new AbortController();
    const ended = ending.signal;
    let attempt: Attempt | undefined;
    const events: ConnectionEvents = {
      onMessage: (message) => {
        if (attempt !== undefined) this.#take(message, attempt);
      },
      onClosed: (how) => closed.resolve(how),
      onDrained: () => this.#events.onDrained(),
    };
    const connection = await this.#ports.connect(events, signal);
    attempt = { connection, ended, heardMs: this.#now(), beatMs: this.#now() };
    const sayGoodbye = (): void => connection.close(CLOSE_GOING_AWAY, "the agent ends");
    signal.addEventListener("abort", sayGoodbye, { once: true });
    try {
      connection.send(this.#events.hello());
      if (signal.aborted) sayGoodbye();
      void this.#awaitWelcome(attempt);
      void this.#endLater(connection, signal, ended);
      this.#explain(await closed.promise, signal);
    } finally {
      ending.abort();
      signal.removeEventListener("abort", sayGoodbye);
      this.#down();
    }
  }

  #now(): number {
    return this.#ports.clock.monotonic();
  }

  /** A goodbye that nobody answers does not keep the agent from ending. */
  async #endLater(connection: Connection, signal: AbortSignal, ended: AbortSignal): Promise<void> {
    try {
      await new Promise((resolve) => {
        if (signal.aborted) resolve(undefined);
        signal.addEventListener("abort", resolve, { once: true, signal: ended });
      });
      await this.#ports.clock.sleep(GOODBYE_MS, ended);
      connection.terminate();
    } catch {
      // It ended by itself.
    }
  }

  #explain({ code, reason }: Closed, signal: AbortSignal): void {
    if (signal.aborted) return;
    const refused =
      code === CLOSE_CODES.disabled || code === CLOSE_CODES.version || code === CLOSE_CODES.replaced;
    if (refused) this.#backoff.refused();
    const what =
      REASONS.get(code) ?? `The channel was closed (${String(code)}${reason === "" ? "" : `, ${reason}`}).`;
    throw new AppError(refused ? "ERR_FAILED" : "ERR_SERVICE_UNREACHABLE", what, {
      remedy: REMEDIES.get(code) ?? "The agent connects again by itself.",
    });
  }

  #take(message: ServiceMessage, attempt: Attempt): void {
    const { connection } = attempt;
    attempt.heardMs = this.#now();
    if (this.#live === undefined) {
      if (message.type === "welcome" && message.device === this.#ports.device) this.#goUp(message, attempt);
      else refuse(connection, "the first message is no welcome to this device");
      return;
    }
    switch (message.type) {
      case "welcome":
        refuse(connection, "a second welcome");
        return;
      case "answer":
      case "refusal":
        if (!this.#requests.take(message)) refuse(connection, "an answer to nothing");
        return;
      case "beat":
        this.#events.onBeat(message, attempt.beatMs);
        return;
      case "start":
      case "cancel":
      case "acknowledge":
        this.#events.onOrder(message);
        return;
      default:
        message satisfies never;
    }
  }

  #goUp(welcome: Welcome, attempt: Attempt): void {
    this.#live = { connection: attempt.connection, welcome };
    attempt.beatMs = this.#now();
    this.#lastError = undefined;
    this.#upSinceMs = this.#now();
    this.#up.resolve(this.#live);
    this.#ports.log("info", "Connected to the service.");
    void this.#beat(attempt, Math.min(welcome.heartbeatMs, HEARTBEAT_MS_MAX));
    this.#events.onUp(welcome);
  }

  #down(): void {
    const wasUp = this.#live !== undefined;
    this.#live = undefined;
    if (!wasUp) return;
    // One that welcomes and closes at once is not to be asked again and again.
    if (this.#now() - this.#upSinceMs > STEADY_MS) this.#backoff.succeeded();
    this.#up = Promise.withResolvers<Live>();
    this.#requests.drop();
    this.#events.onDown();
  }

  async #awaitWelcome({ connection, ended }: Attempt): Promise<void> {
    await this.#ports.clock.sleep(WELCOME_MS, ended).catch(() => undefined);
    if (!ended.aborted && this.#live === undefined) connection.terminate();
  }

  /** Beats, and ends a connection on which nothing is heard. */
  async #beat(attempt: Attempt, everyMs: number): Promise<void> {
    const { clock } = this.#ports;
    for (;;) {
      await clock.sleep(everyMs, attempt.ended).catch(() => undefined);
      if (attempt.ended.aborted) return;
      if (this.#now() - attempt.heardMs > SILENT_BEATS * everyMs) {
        attempt.connection.terminate();
        return;
      }
      attempt.beatMs = this.#now();
      attempt.connection.send({ type: "beat" });
    }
  }
}

function refuse(connection: Connection, reason: string): void {
  connection.close(CLOSE_POLICY, reason.slice(0, REASON_LENGTH_MAX));
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [CLOSE_CODES.disabled, "The service has disabled this device."],
  [CLOSE_CODES.version, "The service does not support this version of the agent."],
  [CLOSE_CODES.replaced, "Another agent with this device's identity has connected."],
  [CLOSE_CODES.stopping, "The service is stopping."],
]);

const REMEDIES: ReadonlyMap<number, string> = new Map([
  [CLOSE_CODES.disabled, "An administrator can enable it again; the agent asks once a minute at most."],
  [CLOSE_CODES.version, "Install the version that the service names."],
  [
    CLOSE_CODES.replaced,
    "If this machine was cloned: empty the state folder of the clone and enroll it as a device of its own.",
  ],
]);
