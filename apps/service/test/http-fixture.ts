/**
 * A server over a test database, with people who are signed in.
 */
import assert from "node:assert/strict";
import { type Clock, newId, systemClock, systemRandomness } from "@holdfast/kernel";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { createAuditLog } from "../src/audit/audit-log.ts";
import type { Database } from "../src/database/database.ts";
import { SESSION_COOKIE } from "../src/http/credentials.ts";
import { createLog } from "../src/http/log.ts";
import type { AnyRoute } from "../src/http/route.ts";
import { buildServer, type ServerOptions } from "../src/http/server.ts";
import { outboundOf } from "../src/outbound/outbound.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import { createAuthentication } from "../src/users/authentication.ts";
import type { UserDependencies } from "../src/users/dependencies.ts";
import { createPasswordWork } from "../src/users/password-work.ts";
import type { Role } from "../src/users/rights.ts";
import { userRoutes } from "../src/users/routes.ts";
import { startSession } from "../src/users/sessions.ts";
import { insertUser } from "../src/users/users.ts";
import { vaultFixture } from "./vault-fixture.ts";

export const PASSWORD = "correct horse battery";

/** As little work as Argon2id is allowed to have here. */
const CHEAP = { memoryKiB: 8192, passes: 1, lanes: 1 };

/** A clock that tests move. */
export interface TestClock extends Clock {
  advance: (ms: number) => void;
}

export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start;
  return {
    now: () => now,
    monotonic: () => now - start,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    advance: (ms) => {
      now += ms;
    },
  };
}

export interface Reply {
  readonly status: number;
  readonly headers: LightMyRequestResponse["headers"];
  /** Of JSON; undefined for none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it, it asserts
  readonly body: any;
  /** The token of the session's cookie that was set; `""` when it was removed. */
  readonly cookie: string | undefined;
}

export interface TestServer extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly users: UserDependencies;
  readonly vault: OpenedVault;
  readonly log: Record<string, unknown>[];
  readonly clock: TestClock;
  /** Sends a request as a browser on the service's own page would; `as` is the token of a session. */
  readonly send: (method: Method, path: string, options?: SendOptions) => Promise<Reply>;
  /** Adds a user who is signed in; returns id and token. */
  readonly person: (name: string, role: Role) => Promise<{ readonly id: string; readonly token: string }>;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Every route of the server, in place of those of users and some more. */
export type AllRoutes = (
  parts: UserDependencies & { readonly vault: OpenedVault },
) => Promise<readonly AnyRoute[]>;

export interface SendOptions {
  readonly as?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly address?: string;
}

export async function startTestServer(
  database: Database,
  routes: readonly AnyRoute[] | AllRoutes = [],
  options: Partial<ServerOptions> = {},
): Promise<TestServer> {
  const clock = testClock();
  // Ends also what a server that does not start has begun.
  await using beginning = new AsyncDisposableStack();
  const { vault } = beginning.use(await vaultFixture(database));
  const users: UserDependencies = {
    database,
    clock,
    vault,
    randomness: systemRandomness,
    audit: createAuditLog({ database, vault, clock }),
    passwords: createPasswordWork(systemRandomness, CHEAP),
  };
  const log: Record<string, unknown>[] = [];
  const app = await buildServer(
    {
      database,
      clock,
      log: createLog(clock, (line) => log.push(JSON.parse(line))),
      authentication: createAuthentication(users),
    },
    {
      version: "0.0.0",
      routes:
        typeof routes === "function"
          ? await routes({ ...users, vault })
          : [...userRoutes({ ...users, outbound: outboundOf(database) }), ...routes],
      ...options,
    },
  );
  const fixture = beginning.move();
  return {
    app,
    users,
    vault,
    log,
    clock,
    send: (method, path, sent) => send(app, method, path, sent),
    person: (name, role) => person(users, name, role),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await fixture.disposeAsync();
    },
  };
}

async function send(
  app: FastifyInstance,
  method: Method,
  path: string,
  { as, body, headers, address }: SendOptions = {},
): Promise<Reply> {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
  const response = await app.inject({
    method,
    url: path.startsWith("/api/") ? path : `/api/v1${path}`,
    headers: {
      host: "service.test",
      origin: "https://service.test",
      ...(method === "GET" || method === "DELETE" ? {} : { "content-type": "application/json" }),
      ...(as === undefined ? {} : { cookie: `${SESSION_COOKIE}=${as}` }),
      ...headers,
    },
    remoteAddress: address ?? "192.0.2.1",
    ...payload,
  });
  const cookie = response.cookies.find(({ name }) => name === SESSION_COOKIE);
  return {
    status: response.statusCode,
    headers: response.headers,
    body: response.body === "" ? undefined : JSON.parse(response.body),
    cookie: cookie?.value,
  };
}

async function person(
  users: UserDependencies,
  name: string,
  role: Role,
): Promise<{ id: string; token: string }> {
  const id = newId("user", users.clock, users.randomness);
  const passwordHash = await users.passwords.hash(PASSWORD);
  const visitor = { address: "198.51.100.1", userAgent: "" };
  const token = await users.database.transaction(async (transaction) => {
    await insertUser(users, transaction, { id, name, role, passwordHash });
    return startSession(users, transaction, id, visitor);
  });
  return { id, token };
}

/** Asserts that the answer is a problem document of this status and code. */
export function assertProblem(reply: Reply, status: number, code: string): void {
  assert.deepEqual(
    { status: reply.status, code: reply.body?.code, type: reply.headers["content-type"] },
    { status, code, type: "application/problem+json; charset=utf-8" },
  );
  assert.equal(reply.body.status, status);
  assert.equal(typeof reply.body.detail, "string");
  assert.equal(reply.body.type, `urn:holdfast:problem:${code}`);
}
