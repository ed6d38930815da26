/**
 * A real provider of OpenID Connect on this machine, and a browser without a window that signs in there.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

export const CLIENT_ID = "holdfast";
export const CLIENT_SECRET = "client secret of holdfast, 32 characters and more";
export const REDIRECT_URI = "https://service.test/sign-in/single-sign-on";

export interface ProviderFixture extends AsyncDisposable {
  readonly issuer: string;
  /** What the provider says of its people, by subject. */
  readonly people: Map<string, Record<string, unknown>>;
  /** Private key that it signs with. */
  readonly signingKey: KeyObject;
}

/** One whose people sign in by saying who they are. */
export async function startProvider(tls?: {
  readonly cert: string;
  readonly key: string;
}): Promise<ProviderFixture> {
  const people = new Map<string, Record<string, unknown>>();
  const { privateKey: signingKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  const issuer = `http${tls === undefined ? "" : "s"}://127.0.0.1:${String(port)}`;
  const provider = createProvider(issuer, people, signingKey);
  const answer = provider.callback();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const [, uid, subject] = /^\/interaction\/([^/?]+)\?as=(.*)$/u.exec(request.url ?? "") ?? [];
    if (uid === undefined || subject === undefined) {
      void answer(request, response);
      return;
    }
    void provider.interactionFinished(request, response, {
      login: { accountId: decodeURIComponent(subject), remember: true },
    });
  });
  return {
    issuer,
    people,
    signingKey,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

function createProvider(
  issuer: string,
  people: ReadonlyMap<string, Record<string, unknown>>,
  signingKey: KeyObject,
): Provider {
  return new Provider(issuer, {
    clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [REDIRECT_URI] }],
    jwks: { keys: [{ ...signingKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] },
    cookies: { keys: ["for tests alone"] },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["preferred_username"],
      groups: ["groups"],
    },
    scopes: ["openid", "email", "profile", "groups"],
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, subject) => ({
      accountId: subject,
      claims: () => ({ ...people.get(subject), sub: subject }),
    }),
    // Nobody is asked whether the service may know them.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client?.clientId ?? "",
        accountId: ctx.oidc.session?.accountId ?? "",
      });
      grant.addOIDCScope("openid email profile groups");
      await grant.save();
      return grant;
    },
  });
}

/** A browser at the provider; it keeps the provider's cookies, as a person's would. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  /** How often the provider asked who is there. */
  askedCount = 0;

  /** Goes where the service sends it and signs in as `subject`; returns the query that it comes back with. */
  async visit(start: string, subject: string): Promise<string> {
    let url = new URL(start);
    for (let step = 0; step < 20; step += 1) {
      if (url.href.startsWith(REDIRECT_URI)) return url.search;
      if (url.pathname.startsWith("/interaction/")) {
        this.askedCount += 1;
        url.search = `?as=${encodeURIComponent(subject)}`;
      }
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(url, { redirect: "manual", headers: { cookie } });
      for (const line of response.headers.getSetCookie()) this.#keep(line);
      const location = response.headers.get("location");
      assert.ok(
        location !== null,
        `${url.pathname} answered ${String(response.status)}: ${await response.text()}`,
      );
      url = new URL(location, url);
    }
    return assert.fail("the provider sends the browser in circles");
  }

  #keep(line: string): void {
    const [, name = "", value = ""] = /^([^=]+)=([^;]*)/u.exec(line) ?? [];
    if (value === "" || /expires=Thu, 01 Jan 1970/iu.test(line)) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}
