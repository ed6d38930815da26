/**
 * What other processes tell by NOTIFY, on a connection of its own that is made again when it breaks.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import pg from "pg";
import type { Database, Topic } from "./database.ts";

export const NOTIFY_CHANNEL = "holdfast";

const RECONNECT_DELAY_MS = 1000;
const TOPICS: readonly Topic[] = ["tasks", "devices", "live"];

interface PostgresListener {
  readonly listen: Database["listen"];
  readonly close: () => Promise<void>;
}

export function listenOnPostgres(settings: pg.ClientConfig): PostgresListener {
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
      emitter.removeAllListeners();
      await connecting;
      const last = client;
      client = undefined;
      await last?.end();
    },
  };
}
