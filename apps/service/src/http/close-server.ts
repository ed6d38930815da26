/**
 * The end of the server that the service listens with. Fastify closes only what it listens with itself.
 *
 * @module
 */
import { once } from "node:events";
import type { Server } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/** So long what is being answered may take. */
const ANSWERS_MS = 2000;

/** Takes no new connections, lets answers come to their end, and cuts what goes on for ever. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const stopping = new AbortController();
  const late = sleep(ANSWERS_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
  const closed = once(server, "close");
  server.close();
  await Promise.race([closed, late]);
  stopping.abort();
  server.closeAllConnections();
}
