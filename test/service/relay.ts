/**
 * Passes TCP connections on to whichever of several servers takes them, as a load balancer does.
 */
import { connect, createServer, type Socket } from "node:net";
import { listeningPort } from "./listening.ts";

export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Ports of the servers that connections go to now, by when they were opened. */
  readonly backends: () => readonly number[];
}

/** Begins with the first port; a later connection goes to the next one that takes it. */
export async function startRelay(ports: readonly number[]): Promise<Relay> {
  const open = new Map<Socket, number>();
  let turn = 0;
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    const first = turn;
    turn += 1;
    pass(client, ports, first, open);
  });
  const port = await listeningPort(server);
  return {
    port,
    backends: () => [...open.values()],
    [Symbol.asyncDispose]: async () => {
      for (const socket of open.keys()) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

function pass(client: Socket, ports: readonly number[], turn: number, open: Map<Socket, number>): void {
  let attempt = 0;
  const tryNext = (): void => {
    const port = ports[(turn + attempt) % ports.length];
    attempt += 1;
    if (port === undefined || attempt > ports.length) {
      client.destroy();
      return;
    }
    const backend = connect(port, "127.0.0.1");
    backend.once("error", tryNext);
    backend.once("connect", () => {
      backend.off("error", tryNext);
      backend.on("error", () => client.destroy());
      open.set(client, port);
      client.pipe(backend).pipe(client);
      backend.once("close", () => client.destroy());
      client.once("close", () => {
        open.delete(client);
        backend.destroy();
      });
    });
  };
  tryNext();
}
