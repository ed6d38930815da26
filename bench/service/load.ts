/**
 * Requests at a rate that does not wait for answers: each has its moment (a Poisson process), and its time counts from then on, also when
 * the service or this program was late (coordinated omission).
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../test/seeded-random.ts";
import { drawWish, type Wish } from "./mix.ts";
import type { Person } from "./people.ts";
import type { Scale } from "./scale.ts";

export interface Answered {
  readonly name: string;
  readonly status: number;
  /** Since the moment at which it was to be sent. */
  readonly milliseconds: number;
}

export interface Load {
  readonly answers: readonly Answered[];
  /** Why requests got no answer. */
  readonly failures: readonly string[];
  /** Of this program's own event loop: what it adds to the times. */
  readonly ownDelayP99Ms: number;
  /** Events `change` that the listeners got. */
  readonly liveEvents: number;
}

export interface Target {
  readonly url: string;
  /** PEM. */
  readonly authority: string;
  readonly people: readonly Person[];
}

/** As many connections as a browser makes. */
const SOCKETS_PER_PERSON = 6;
const SCRAPE_EVERY_MS = 15_000;
const LISTENERS = 20;

export async function runLoad(target: Target, scale: Scale, seed: string): Promise<Load> {
  const random = new SeededRandom(seed);
  const senders = target.people.map((person) => createSender(target, person));
  const answers: Answered[] = [];
  const failures: string[] = [];
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const listeners = startListeners(target);
  const open = new Set<Promise<void>>();
  const start = performance.now();
  const ask = async (wish: Wish, due: number): Promise<void> => {
    try {
      const status = await senders[random.below(senders.length)]?.(wish);
      answers.push({ name: wish.name, status: status ?? 0, milliseconds: performance.now() - due });
    } catch (error) {
      const reason = error instanceof Error && "code" in error ? error.code : error;
      failures.push(`${wish.name}: ${String(reason)}`);
    }
  };
  const send = (wish: Wish, due: number): void => {
    const done = ask(wish, due);
    open.add(done);
    void done.finally(() => open.delete(done));
  };
  const end = start + scale.seconds * 1000;
  let due = start;
  let scrapeDue = start;
  while (due < end) {
    const now = performance.now();
    if (scrapeDue <= now) {
      send({ name: "GET /metrics", method: "GET", path: "/metrics" }, scrapeDue);
      scrapeDue += SCRAPE_EVERY_MS;
    }
    while (due <= now && due < end) {
      send(
        drawWish((below) => random.below(below), scale),
        due,
      );
      due += (-Math.log(1 - random.u32() / 2 ** 32) * 1000) / scale.rate;
    }
    await sleep(Math.max(1, Math.min(due, scrapeDue) - performance.now()));
  }
  await Promise.all(open);
  delay.disable();
  return { answers, failures, ownDelayP99Ms: delay.percentile(99) / 1e6, liveEvents: listeners.stop() };
}

type Sender = (wish: Wish) => Promise<number>;

function createSender({ url, authority }: Target, { headers, address }: Person): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_PER_PERSON, localAddress: address });
  return async ({ method, path, body, headers: more }) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(new URL(path === "/metrics" ? path : `/api/v1${path}`, url), {
      method,
      agent,
      ca: authority,
      headers: {
        ...headers,
        ...more,
        origin: url,
        ...(text === undefined ? {} : { "content-type": "application/json" }),
      },
    });
    sent.end(text);
    return read(sent);
  };
}

async function read(sent: ClientRequest): Promise<number> {
  const response = await answerTo(sent);
  response.resume();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  response.once("end", () => resolve(response.statusCode ?? 0)).once("error", reject);
  return promise;
}

export async function fetchMetrics({ url, authority, people }: Target): Promise<string> {
  const { headers = {}, address } =
    people.find(({ headers: { authorization } }) => authorization !== undefined) ?? {};
  const sent = request(new URL("/metrics", url), {
    ca: authority,
    headers,
    ...(address === undefined ? {} : { localAddress: address }),
  });
  sent.end();
  let text = "";
  for await (const piece of await answerTo(sent)) text += String(piece);
  return text;
}

function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.once("response", resolve).once("error", reject);
  return promise;
}

/** Pages that are open, each with a stream of events. */
function startListeners({ url, authority, people }: Target): { readonly stop: () => number } {
  let events = 0;
  const sents = people.slice(0, LISTENERS).map(({ headers, address }) => {
    const sent = request(new URL("/api/v1/live", url), {
      ca: authority,
      agent: false,
      localAddress: address,
      headers,
    });
    sent.on("response", (response) => {
      response.on("error", () => undefined);
      response.on("data", (piece: Buffer) => {
        if (piece.includes("event: change")) events += 1;
      });
    });
    sent.on("error", () => undefined);
    sent.end();
    return sent;
  });
  return {
    stop: () => {
      for (const sent of sents) sent.destroy();
      return events;
    },
  };
}
