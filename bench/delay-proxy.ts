/**
 * A line to another continent: passes bytes on after a time, without making the line narrow (packages/storage has a proxy for
 * faults, which lets one piece at a time wait). A process of its own, since whoever measures waits for the programs:
 * `node delay-proxy.ts PORT DELAY_MS` prints the port it listens on.
 */
import { connect, createServer, type Socket } from "node:net";

/** So much may be on its way in one direction of one connection: 4 MiB in 10 ms are 400 MB/s. */
const WINDOW_BYTES = 4 * 1024 * 1024;

const [target, delayMs] = process.argv.slice(2).map(Number);
if (target === undefined || delayMs === undefined) throw new Error("usage: delay-proxy.ts PORT DELAY_MS");

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const onward = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  pass(client, onward, delayMs);
  pass(onward, client, delayMs);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(address.port);
});

function pass(from: Socket, to: Socket, delay: number): void {
  let waiting = 0;
  from.on("data", (bytes: Buffer) => {
    waiting += bytes.length;
    if (waiting > WINDOW_BYTES) from.pause();
    // Timers of the same length run in the order they were set.
    setTimeout(() => {
      to.write(bytes, () => {
        waiting -= bytes.length;
        if (waiting <= WINDOW_BYTES) from.resume();
      });
    }, delay);
  });
  from.on("end", () => setTimeout(() => to.end(), delay));
  from.on("error", () => to.destroy());
  from.on("close", () => setTimeout(() => to.destroy(), delay));
}
