/** A TCP proxy that knows what passed through it, so that a test can act in the middle of a transfer. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export class CountingProxy extends EventEmitter implements AsyncDisposable {
  readonly #server = createServer((client) => {
    this.#forward(client);
  });
  readonly #target: number;
  readonly #open = new Set<Socket>();
  /** Bytes from the client and from the server, over all connections. */
  sent = 0;
  received = 0;
  connections = 0;

  constructor(target: number) {
    super();
    this.#target = target;
  }

  static async start(target: number): Promise<CountingProxy> {
    const proxy = new CountingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    assert(typeof address === "object" && address !== null);
    return address.port;
  }

  /** Connections of clients that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** Resolves once `condition` holds, which is looked at after each piece of data and each closed connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this, "change");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    this.#open.add(client);
    this.connections += 1;
    client.on("data", (data) => {
      this.sent += data.length;
      this.emit("change");
    });
    server.on("data", (data) => {
      this.received += data.length;
      this.emit("change");
    });
    client.pipe(server).pipe(client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        other.destroy();
        this.#open.delete(client);
        this.emit("change");
      });
    }
  }
}
