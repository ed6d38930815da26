/**
 * An authority of a test, and servers of it on 127.0.0.1.
 */
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import {
  createAuthorityCertificate,
  issueServerCertificate,
  openIssuer,
} from "../src/authority/certificates.ts";

const TIMES = { clock: systemClock, randomness: systemRandomness };

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly issue: (
    dns: readonly string[],
    addresses?: readonly string[],
  ) => Promise<{ cert: string; key: string }>;
}

export async function testAuthority(): Promise<TestAuthority> {
  const made = await createAuthorityCertificate(TIMES);
  const issuer = await openIssuer(made.privateKey, made.certificate);
  return {
    certificate: issuer.certificate.toString("pem"),
    issue: async (dns, addresses = []) => {
      const { pem, key } = await issueServerCertificate(issuer, { dns, addresses }, TIMES);
      return { cert: pem, key };
    },
  };
}

export interface TestWebServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly { readonly method: string; readonly url: string; readonly host: string }[];
}

export async function startWebServer(
  { cert, key }: { readonly cert: string; readonly key: string },
  answer: RequestListener,
  address = "127.0.0.1",
): Promise<TestWebServer> {
  const requests: { method: string; url: string; host: string }[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const { method = "", url = "", headers } = request;
    requests.push({ method, url, host: headers.host ?? "" });
    answer(request, response);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, address, resolve);
  await promise;
  return {
    port: portOf(server.address()),
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("it does not listen");
  return address.port;
}
