/**
 * A client of the API as a script would write one: JSON over TLS that trusts exactly the service's own authority, a cookie, and
 * the header that browsers send.
 */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect, type TLSSocket } from "node:tls";

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface ApiClient {
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>;
  /** The same, which must succeed. */
  readonly ok: (method: string, path: string, body?: unknown) => Promise<Answer["body"]>;
  /** Begins a request and leaves its answer to be read. */
  readonly open: (path: string, headers?: Readonly<Record<string, string>>) => Promise<IncomingMessage>;
  /** PEM; of agents as well. */
  readonly authority: string;
}

/** @param url of the service, without a path. */
export async function apiClient(url: string): Promise<ApiClient> {
  const authority = await authorityOf(new URL(url));
  let cookie = "";
  const call: ApiClient["call"] = async (method, path, body, headers = {}) => {
    const answer = await exchange(new URL(`/api/v1${path}`, url), method, body, {
      ca: authority,
      headers: { ...(cookie === "" ? {} : { cookie }), origin: new URL(url).origin, ...headers },
    });
    const [set] = [answer.headers["set-cookie"] ?? []].flat();
    if (set !== undefined) [cookie = ""] = set.split(";");
    return answer;
  };
  const open: ApiClient["open"] = (path, headers = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options = { ca: authority, agent: false, headers: { cookie, ...headers } };
    request(new URL(`/api/v1${path}`, url), options, resolve)
      .on("error", reject)
      .end();
    return promise;
  };
  return {
    call,
    open,
    authority,
    ok: async (method, path, body) => {
      const { status, body: answer } = await call(method, path, body);
      assert(status >= 200 && status < 300, `${method} ${path}: ${String(status)} ${JSON.stringify(answer)}`);
      return answer;
    },
  };
}

/** The last certificate of the chain that the service shows. */
async function authorityOf({ hostname, port }: URL): Promise<string> {
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
    });
    return lastOfChain(socket);
  } finally {
    socket.destroy();
  }
}

function lastOfChain(socket: TLSSocket): string {
  let certificate = socket.getPeerCertificate(true);
  while (certificate.issuerCertificate.fingerprint256 !== certificate.fingerprint256) {
    certificate = certificate.issuerCertificate;
  }
  const lines = certificate.raw.toString("base64").match(/.{1,64}/gu) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

async function exchange(
  url: URL,
  method: string,
  body: unknown,
  options: { readonly ca: string; readonly headers: Readonly<Record<string, string>> },
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sent = request(
    url,
    {
      method,
      ca: options.ca,
      // The service may end a kept connection just when the next request leaves on it.
      agent: false,
      headers: { "content-type": "application/json", ...options.headers },
    },
    (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece)).on("error", reject);
      response.on("end", () => {
        const answer = Buffer.concat(pieces).toString("utf8");
        const parsed: unknown = answer === "" ? {} : JSON.parse(answer);
        assert(typeof parsed === "object" && parsed !== null);
        resolve({ status: response.statusCode ?? 0, body: { ...parsed }, headers: response.headers });
      });
    },
  );
  sent.on("error", reject);
  sent.end(text);
  return promise;
}
