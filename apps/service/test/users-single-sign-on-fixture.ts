/**
 * A service with a provider of single sign-on, and people's browsers.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { newId } from "@holdfast/kernel";
import { newIdentityProvider } from "@holdfast/protocol";
import { z } from "zod";
import type { Database } from "../src/database/database.ts";
import { BROWSER_COOKIE, SESSION_COOKIE } from "../src/http/credentials.ts";
import { createOutbound, type Outbound } from "../src/outbound/outbound.ts";
import { secretText, VALUE_FIELD } from "../src/secrets/secret-values.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import type { UserDependencies } from "../src/users/dependencies.ts";
import { userRoutes } from "../src/users/routes.ts";
import { Browser, CLIENT_ID, CLIENT_SECRET, type ProviderFixture } from "./oidc-provider-fixture.ts";
import { type Reply, startTestServer, type TestServer } from "./http-fixture.ts";

type Fetch = Outbound["fetch"];

export interface SignOnFixture extends AsyncDisposable {
  readonly server: TestServer;
  readonly database: Database;
  readonly admin: { readonly id: string; readonly token: string };
  /** Password of the Password Manager with the client secret. */
  readonly secretId: string;
  /** Adds the provider, with what a test wants of it. */
  readonly addProvider: (change?: Record<string, unknown>) => Promise<string>;
  /** By which the service calls the provider. */
  readonly outbound: Pick<Outbound, "fetch">;
  /** Stands between the service and the provider from now on. */
  readonly between: (change: (fetch: Fetch) => Fetch) => void;
  readonly actions: () => Promise<string[]>;
}

export async function startSignOn(database: Database, provider: ProviderFixture): Promise<SignOnFixture> {
  const onLoopback = createOutbound({
    readPolicy: async () => ({ networks: ["127.0.0.1"], plainHttp: ["127.0.0.1"], authorities: "" }),
  });
  let current: Fetch = onLoopback.fetch;
  let secretId = "";
  const outbound: Pick<Outbound, "fetch"> = { fetch: (url, init) => current(url, init) };
  const server = await startTestServer(database, async (parts) => {
    secretId = await addClientSecret(parts);
    return userRoutes({ ...parts, outbound });
  });
  const admin = await server.person("root", "administrator");
  return {
    server,
    database,
    admin,
    secretId,
    outbound,
    addProvider: async (change = {}) => {
      const body = newIdentityProvider.parse({
        name: "Example",
        issuer: provider.issuer,
        clientId: CLIENT_ID,
        secret: secretId,
        scopes: ["openid", "email", "profile", "groups"],
        createsUsers: true,
        defaultRole: "viewer",
        ...change,
      });
      const reply = await server.send("POST", "/identity-providers", { as: admin.token, body });
      assert.equal(reply.status, 201, JSON.stringify(reply.body));
      return reply.body.id;
    },
    between: (change) => {
      current = change(onLoopback.fetch);
    },
    actions: async () => {
      const rows = await database.db.selectFrom("audit_rows").select("action").orderBy("number").execute();
      return rows.map(({ action }) => action);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function addClientSecret({
  database,
  clock,
  vault,
}: UserDependencies & { readonly vault: OpenedVault }): Promise<string> {
  const id = newId("sec", clock);
  using value = secretText(CLIENT_SECRET);
  await database.transaction(async (transaction) => {
    await vault.put(transaction, { kind: "password", id, version: 1, field: VALUE_FIELD }, value.bytes);
    await transaction
      .insertInto("secrets")
      .values({
        id,
        kind: "password",
        name: "client secret",
        description: "",
        hint: "",
        current_version: 1,
        head_box: vault.sealHead("password", id, 1),
        generated: 0,
        disabled: 0,
        created_at: clock.now(),
        created_by: "",
        updated_at: clock.now(),
        revision: 1,
      })
      .execute();
  });
  return id;
}

/** Somebody's browser, at the service and at the provider. */
export interface Visitor {
  readonly browser: Browser;
  /** Where the service sends it. */
  readonly start: (path: string, body: unknown) => Promise<string>;
  readonly finish: (query: string) => Promise<Reply>;
  /** All of it, for a sign-in. */
  readonly signIn: (provider: string, subject: string) => Promise<Reply>;
  session: string | undefined;
  binding: string | undefined;
}

export function visitorOf({ server }: SignOnFixture): Visitor {
  const browser = new Browser();
  const headers = (): Record<string, string> => ({
    cookie: [
      ...(visitor.session === undefined ? [] : [`${SESSION_COOKIE}=${visitor.session}`]),
      ...(visitor.binding === undefined ? [] : [`${BROWSER_COOKIE}=${visitor.binding}`]),
    ].join("; "),
  });
  const visitor: Visitor = {
    browser,
    session: undefined,
    binding: undefined,
    start: async (path, body) => {
      const reply = await server.send("POST", path, { body, headers: headers() });
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
      const lines = [reply.headers["set-cookie"]].flat().map(String);
      const line = lines.find((one) => one.startsWith(`${BROWSER_COOKIE}=`)) ?? assert.fail("no cookie");
      for (const attribute of ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"])
        assert.ok(line.includes(attribute), line);
      visitor.binding = /=([^;]+)/u.exec(line)?.[1];
      return reply.body.url;
    },
    finish: async (query) => {
      const reply = await server.send("POST", "/session/single-sign-on/callback", {
        body: { query },
        headers: headers(),
      });
      if (reply.cookie !== undefined) visitor.session = reply.cookie;
      return reply;
    },
    signIn: async (provider, subject) => {
      const url = await visitor.start("/session/single-sign-on", { provider });
      return visitor.finish(await browser.visit(url, subject));
    },
  };
  return visitor;
}

/** Changes the claims of ID tokens, and signs them again. */
export function forging(
  provider: ProviderFixture,
  change: (claims: Record<string, unknown>) => Record<string, unknown>,
  key: "own" | "another" = "own",
): (fetch: Fetch) => Fetch {
  return tampering((token) => {
    const signer =
      key === "own" ? provider.signingKey : generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const [, payload = ""] = token.split(".");
    const claims = z.record(z.string(), z.unknown()).parse(JSON.parse(decode(payload)));
    const signed = `${encode({ alg: "RS256", kid: "one" })}.${encode(change(claims))}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), signer).toString("base64url")}`;
  });
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (text: string): string => Buffer.from(text, "base64url").toString();

/** The same token, with no signature. */
export function unsigned(): (fetch: Fetch) => Fetch {
  return tampering((token) => {
    const [, payload = ""] = token.split(".");
    return `${encode({ alg: "none" })}.${payload}.`;
  });
}

function tampering(change: (idToken: string) => string): (fetch: Fetch) => Fetch {
  return (fetch) => async (url, init) => {
    const response = await fetch(url, init);
    if (!String(url).endsWith("/token")) return response;
    const body = z.record(z.string(), z.unknown()).parse(await response.json());
    return Response.json({ ...body, id_token: change(String(body["id_token"])) });
  };
}

export function without(
  name: string,
): (claims: Readonly<Record<string, unknown>>) => Record<string, unknown> {
  return (claims) => Object.fromEntries(Object.entries(claims).filter(([claim]) => claim !== name));
}

export async function userOf(reply: Reply, fixture: SignOnFixture): Promise<Record<string, unknown>> {
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  const { body } = await fixture.server.send("GET", `/users/${String(reply.body.session.user.id)}`, {
    as: fixture.admin.token,
  });
  return body;
}
