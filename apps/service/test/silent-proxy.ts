/**
 * The line to a PostgreSQL server of a test, over TCP; a line that can go silent: what is sent vanishes, and nothing is closed or refused.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Postgres } from "./postgres-server.ts";

export interface SilentProxy extends AsyncDisposable {
  readonly url: (database: string) => string;
  readonly setSilent: (isSilent: boolean) => void;
  /** How many connections were made. */
  readonly count: () => number;
}

export async function startSilentProxy(server: Postgres): Promise<SilentProxy> {
  const direct = new URL(server.url("postgres"));
  const path = join(server.folder, ".s.PGSQL.5432");
  const sockets = new Set<Socket>();
  let isSilent = false;
  let count = 0;
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on("data", (bytes) => {
      if (!isSilent) to.write(bytes);
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      sockets.delete(from);
      if (!isSilent) to.destroy();
    });
  };
  const proxy = createServer((client) => {
    count += 1;
    const onward = connect(path);
    pass(client, onward);
    pass(onward, client);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: (database) => `postgres://${direct.username}@127.0.0.1:${String(port)}/${database}`,
    setSilent: (silent) => {
      isSilent = silent;
    },
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
