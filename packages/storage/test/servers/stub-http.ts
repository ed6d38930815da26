/** An HTTP server of a few lines, for answers that no real server gives. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface StubServer extends AsyncDisposable {
  readonly port: number;
  /** Method and path of each request. */
  readonly requests: readonly string[];
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** @param hasty answers before it has read the request's body. */
export async function startStubServer(handler: Handler, hasty = false): Promise<StubServer> {
  const requests: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    if (!hasty) for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
    handler(request, response, Buffer.concat(chunks));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
