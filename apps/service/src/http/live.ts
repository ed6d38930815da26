/**
 * Server-sent events (WHATWG HTML, section 9.2): tells a page that something has changed, not what. The page asks again for
 * what it shows, and so learns nothing that it has no right to.
 *
 * @module
 */
import { Readable } from "node:stream";
import type { Database, Topic } from "../database/database.ts";
import { RetryLaterError } from "./problems.ts";
import { type AnyRoute, route } from "./route.ts";
import { signedIn } from "./signed-in.ts";

/** Changes within it become one event. */
const QUIET_MS = 250;
/** So that proxies keep the connection, and both sides notice its end. */
const BEAT_MS = 15_000;
const STREAMS_PER_USER_MAX = 12;
const RETRY_MS = 5000;
const TOPICS: readonly Topic[] = ["live", "tasks", "devices"];

export function liveRoutes({ database }: { readonly database: Database }): AnyRoute[] {
  const open = new Map<string, number>();
  return [
    route({
      method: "GET",
      path: "/live",
      operation: "watch",
      summary: "Events `change` when something may have changed (server-sent events)",
      tag: "live",
      right: "signed-in",
      stream: "text/event-stream; charset=utf-8",
      handle: async ({ actor }) => {
        const { userId } = signedIn(actor);
        const count = open.get(userId) ?? 0;
        if (count >= STREAMS_PER_USER_MAX) {
          throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", "Too many pages of yours are open.", RETRY_MS);
        }
        open.set(userId, count + 1);
        const stream = eventStream(database);
        stream.once("close", () => {
          const left = (open.get(userId) ?? 1) - 1;
          if (left === 0) open.delete(userId);
          else open.set(userId, left);
        });
        return stream;
      },
    }),
  ];
}

function eventStream(database: Database): Readable {
  let quiet: NodeJS.Timeout | undefined;
  const changed = new Set<Topic>();
  const stream = new Readable({ read() {} });
  const push = (text: string): void => {
    // Who reads nothing gets nothing more: the next event says the same.
    if (stream.readableLength < stream.readableHighWaterMark) stream.push(text);
  };
  const flush = (): void => {
    quiet = undefined;
    push(`event: change\ndata: ${JSON.stringify([...changed].toSorted())}\n\n`);
    changed.clear();
  };
  const stops = TOPICS.map((topic) =>
    database.listen(topic, () => {
      changed.add(topic);
      quiet ??= setTimeout(flush, QUIET_MS);
    }),
  );
  const beat = setInterval(() => {
    push(": beat\n\n");
  }, BEAT_MS);
  stream.once("close", () => {
    clearInterval(beat);
    clearTimeout(quiet);
    for (const stop of stops) stop();
  });
  push(`retry: ${String(RETRY_MS)}\n\n`);
  return stream;
}
