/**
 * A TCP proxy on the loopback interface that makes a network as bad as a test needs it. It knows no protocol, so it serves the
 * tests of every driver.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Direction = "toServer" | "toClient";

export interface Faults {
  /** Each piece of data waits so long, in both directions. */
  readonly delayMs?: number;
  /** Each way of each connection. */
  readonly bytesPerSecond?: number;
  /** Ends a connection after so many more bytes of it in this direction; only the next `times` connections when given. */
  readonly cut?: { readonly direction: Direction; readonly afterBytes: number; readonly times?: number };
  /** Changes one bit of this byte of a connection, counted from now; only for the next `times` connections when given. */
  readonly corrupt?: { readonly direction: Direction; readonly atByte: number; readonly times?: number };
  /** Nobody listens. Connections that are open stay. */
  readonly refuse?: boolean;
  /** Connections are taken and stay open, and nothing gets through until this is over. */
  readonly blackHole?: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Open connections of clients. */
  readonly open: number;
  /** Connections taken so far. */
  readonly accepted: number;
  /** Connections cut and bytes changed since the faults were set. */
  readonly cuts: number;
  readonly corruptions: number;
  /** Bytes that came through so far. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** Replaces all faults, also for connections that are open, and counts their bytes anew. No argument heals. */
  set(faults?: Faults): Promise<void>;
  /**
   * Lets so many more bytes through in this direction, of all connections together, and then nothing at all until the next
   * {@link set}: a place in the middle of a transfer, however fast it is. Resolves when it is reached.
   */
  holdAfter(direction: Direction, bytes: number): Promise<void>;
}

export async function startFaultProxy(targetPort: number, targetHost = "127.0.0.1"): Promise<FaultProxy> {
  const proxy = new Proxy(targetPort, targetHost);
  await proxy.listen();
  return proxy;
}

class Proxy implements FaultProxy {
  port = 0;
  accepted = 0;
  cuts = 0;
  corruptions = 0;
  readonly passed = { toServer: 0, toClient: 0 };
  faults: Faults = {};
  readonly #targetPort: number;
  readonly #targetHost: string;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #changed = Promise.withResolvers<undefined>();
  #hold: { readonly direction: Direction; readonly atByte: number; readonly reached: () => void } | undefined;

  constructor(targetPort: number, targetHost: string) {
    this.#targetPort = targetPort;
    this.#targetHost = targetHost;
  }

  get open(): number {
    return this.#connections.size;
  }

  /** Resolves at the next {@link set}. */
  get changed(): Promise<undefined> {
    return this.#changed.promise;
  }

  async set(faults: Faults = {}): Promise<void> {
    this.faults = faults;
    this.#hold = undefined;
    this.cuts = 0;
    this.corruptions = 0;
    for (const connection of this.#connections) connection.restart();
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers();
    if (faults.refuse === true) this.#refuse();
    else await this.listen();
  }

  holdAfter(direction: Direction, bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hold = { direction, atByte: this.passed[direction] + bytes, reached: resolve };
    return promise;
  }

  count(direction: Direction, bytes: number): void {
    this.passed[direction] += bytes;
    const hold = this.#hold;
    if (hold?.direction !== direction || this.passed[direction] < hold.atByte) return;
    this.faults = { ...this.faults, blackHole: true };
    this.#hold = undefined;
    hold.reached();
  }

  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#accept(client);
    });
    this.#server = server;
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address === "object") this.port = address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#refuse();
    for (const connection of this.#connections) connection.destroy();
    this.#changed.resolve(undefined);
  }

  /** A server that closes waits for its connections; the next one listens on the same port meanwhile. */
  #refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const server = connect({
      port: this.#targetPort,
      host: this.#targetHost,
      allowHalfOpen: true,
      noDelay: true,
    });
    const connection = new Connection(this, client, server);
    this.#connections.add(connection);
    client.once("close", () => {
      this.#connections.delete(connection);
    });
  }
}

class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes: readonly Lane[];

  constructor(proxy: Proxy, client: Socket, server: Socket) {
    this.#client = client;
    this.#server = server;
    const end = (): void => {
      this.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).once("close", end);
    this.#lanes = [
      new Lane(proxy, "toServer", client, server, end),
      new Lane(proxy, "toClient", server, client, end),
    ];
  }

  restart(): void {
    for (const lane of this.#lanes) lane.bytes = 0;
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
    for (const lane of this.#lanes) lane.stop();
  }
}

/** One direction of one connection. */
class Lane {
  /** Since the faults were set. */
  bytes = 0;
  readonly #proxy: Proxy;
  readonly #direction: Direction;
  readonly #to: Socket;
  readonly #end: () => void;
  readonly #stopping = new AbortController();

  constructor(proxy: Proxy, direction: Direction, from: Socket, to: Socket, end: () => void) {
    this.#proxy = proxy;
    this.#direction = direction;
    this.#to = to;
    this.#end = end;
    void this.#run(from).catch(end);
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(from: Socket): Promise<void> {
    // The other direction goes on when this one has ended.
    const chunks: AsyncIterable<Buffer> = from.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      if (!(await this.#pass(chunk))) return;
    }
    this.#to.end();
  }

  /** False when this was the end of the connection. */
  async #pass(whole: Buffer): Promise<boolean> {
    const { signal } = this.#stopping;
    while (this.#proxy.faults.blackHole === true) {
      await this.#proxy.changed;
      signal.throwIfAborted();
    }
    const { delayMs = 0, bytesPerSecond } = this.#proxy.faults;
    if (delayMs > 0) await sleep(delayMs, undefined, { signal });
    // A tenth of a second's worth at a time, so that slow is not the same as in bursts.
    const step = bytesPerSecond === undefined ? whole.length : Math.max(1, Math.ceil(bytesPerSecond / 10));
    for (let start = 0; start < whole.length; start += step) {
      const part = whole.subarray(start, start + step);
      if (!(await this.#write(part))) return false;
      if (bytesPerSecond !== undefined)
        await sleep((part.length / bytesPerSecond) * 1000, undefined, { signal });
    }
    return true;
  }

  async #write(part: Buffer): Promise<boolean> {
    const { cut, corrupt } = this.#proxy.faults;
    const before = this.bytes;
    this.bytes += part.length;
    if (this.#applies(corrupt) && corrupt.atByte >= before && corrupt.atByte < this.bytes) {
      const index = corrupt.atByte - before;
      part.writeUInt8(part.readUInt8(index) ^ 1, index);
      this.#proxy.corruptions += 1;
    }
    const left = this.#applies(cut) ? cut.afterBytes - before : Number.POSITIVE_INFINITY;
    if (left < part.length) {
      this.#proxy.cuts += 1;
      if (left > 0) await this.#send(part.subarray(0, left));
      this.#end();
      return false;
    }
    await this.#send(part);
    return true;
  }

  #applies<T extends { readonly direction: Direction; readonly times?: number }>(
    fault: T | undefined,
  ): fault is T {
    if (fault?.direction !== this.#direction) return false;
    const done = "atByte" in fault ? this.#proxy.corruptions : this.#proxy.cuts;
    return done < (fault.times ?? Number.POSITIVE_INFINITY);
  }

  async #send(part: Buffer): Promise<void> {
    this.#proxy.count(this.#direction, part.length);
    if (!this.#to.write(part)) await once(this.#to, "drain", { signal: this.#stopping.signal });
  }
}
