/**
 * An HTTP proxy that knows CONNECT (RFC 9110, section 9.3.6), as a process of its own: `node connect-proxy.ts [PORT]`. Whatever
 * name it is asked for, it connects to loopback. It prints its port, and then a line for each CONNECT.
 */
import { createServer } from "node:http";
import { connect } from "node:net";
import { listeningPort } from "./listening.ts";

async function main(): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(405).end();
  });
  server.on("connect", ({ url = "" }, client, head) => {
    console.log(url);
    client.on("error", () => client.destroy());
    const target = connect(Number(url.split(":").at(-1)), "127.0.0.1");
    target.on("error", () => client.destroy());
    target.once("connect", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      target.write(head);
      client.pipe(target).pipe(client);
    });
    target.once("close", () => client.destroy());
    client.once("close", () => target.destroy());
  });
  console.log(await listeningPort(server, Number(process.argv[2] ?? 0)));
}

if (import.meta.main) await main();
