/**
 * What other processes tell by NOTIFY, on a connection of its own that is made again when it breaks.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import pg from "pg";
import type { Database, Topic } from "./database.ts";
import { cutClient } from "./postgres-watch.ts";

export const NOTIFY_CHANNEL = "holdfast";

const RECONNECT_DELAY_MS = 1000;
/** Who only listens does not notice a line that is gone: so often something is asked. */
const ASK_MS = 30_000;
const END_TIMEOUT_MS = 3000;
const TOPICS: readonly Topic[] = ["tasks", "devices", "live"];

interface PostgresListener {
  readonly listen: Database["listen"];
  readonly close: () => Promise<void>;
}

/** @param follow looks after its connections. */
export function listenOnPostgres(
  settings: pg.ClientConfig,
  follow: (client: pg.Client) => void,
): PostgresListener {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  let client: pg.Client | undefined;
  let connecting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const connect = async (): Promise<void> => {
    const next = new pg.Client(settings);
    next.on("notification", ({ payload }) => {
      if (TOPICS.some((topic) => topic === payload)) emitter.emit(payload ?? "");
    });
    const lost = (): void => {
      if (client !== next) return;
      client = undefined;
      again();
    };
    next.on("error", lost);
    next.on("end", lost);
    client = next;
    try {
      await next.connect();
      follow(next);
      await next.query(`listen ${NOTIFY_CHANNEL}`);
      // What was told while nobody listened is unknown: everybody looks.
      for (const topic of TOPICS) emitter.emit(topic);
    } catch {
      lost();
      next.end().catch(() => {});
    }
  };
  const start = (): void => {
    connecting = connect();
  };
  const asking = setInterval(() => {
    client?.query("select 1").catch(() => {});
  }, ASK_MS).unref();
  const again = (): void => {
    if (!closed) timer = setTimeout(start, RECONNECT_DELAY_MS).unref();
  };

  return {
    listen: (topic, listener) => {
      emitter.on(topic, listener);
      if (connecting === undefined) start();
      return () => emitter.off(topic, listener);
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      clearInterval(asking);
      emitter.removeAllListeners();
      await connecting;
      const last = client;
      client = undefined;
      if (last === undefined) return;
      const cutting = setTimeout(() => cutClient(last), END_TIMEOUT_MS);
      await last.end();
      clearTimeout(cutting);
    },
  };
}
