/** The port of a server that was made to listen on loopback. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:net";

/** @param port 0: any free one. */
export async function listeningPort(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return address.port;
}
