/**
 * Every route of the service, as its description lists them, by every kind of caller besides people with a role (for those see
 * http-authorisation.test.ts): API tokens of each scope, people who are disabled, and what browsers send for other sites.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { AppError } from "@holdfast/kernel";
import { openAuthority } from "../src/authority/authority.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { createDomains, routesOf } from "../src/domains.ts";
import { createApiToken } from "../src/users/api-tokens.ts";
import { RIGHTS, type Right } from "../src/users/rights.ts";
import { type Operation, operationsOf } from "./api-requests.ts";
import { startTestServer, type TestServer } from "./http-fixture.ts";
import { RIGHTS_OF_OPERATIONS } from "./operation-rights.ts";

const FREE = { burst: 1e9, perSecond: 1e9 };
const ORIGIN = "https://service.test";

let server: TestServer;
let operations: readonly Operation[];
/** Operations whose handler ran. */
const reached: string[] = [];

before(async () => {
  server = await startTestServer(
    await openDatabase(":memory:"),
    async (parts) =>
      routesOf(createDomains({ ...parts, authority: await openAuthority(parts) })).map((definition) => {
        // Whatever comes in is right here: who is let in reaches the handler.
        const { params, query: _, body: __, edits: ___, ...rest } = definition;
        const handle = async (): Promise<never> => {
          reached.push(definition.operation);
          throw new AppError("ERR_CANCELLED", "reached");
        };
        return { ...rest, ...(params === undefined ? {} : { params }), handle };
      }),
    { addressLimit: FREE, userLimit: FREE },
  );
  operations = operationsOf(JSON.parse((await server.app.inject({ url: "/api/openapi.json" })).body));
});

after(async () => {
  await server[Symbol.asyncDispose]();
});

type Headers = Readonly<Record<string, string>>;

/** The status, and what was reached. */
async function call(
  { method, path }: Pick<Operation, "method" | "path">,
  headers: Headers,
  payload?: string,
): Promise<{ readonly status: number; readonly reached: readonly string[] }> {
  reached.length = 0;
  const { statusCode } = await server.app.inject({
    method,
    url: path.replaceAll(/\{[^}]+\}/gu, "x"),
    headers: { host: "service.test", ...headers },
    remoteAddress: "192.0.2.1",
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: statusCode, reached: [...reached] };
}

/** Status of a right request: 422 when the path has no such id, or whatever the handler's error gives. */
const isThrough = (status: number): boolean => status !== 401 && status !== 403 && status !== 415;

async function everything(name: string): Promise<{ readonly id: string; readonly token: string }> {
  const person = await server.person(name, "administrator");
  const right = "secrets.reveal";
  await server.users.database.db.insertInto("user_rights").values({ user_id: person.id, right }).execute();
  return person;
}

async function tokenOf(
  id: string,
  name: string,
  scopes: Right[],
  expiresAt: number | null = null,
): Promise<string> {
  const actor = { userId: id, name, role: "administrator", sessionId: "s", address: "" } as const;
  const given = { name: "t", scopes, expiresAt };
  return (await createApiToken(server.users, { ...actor, rights: new Set(RIGHTS) }, given)).token;
}

suite("API tokens", () => {
  test("reach what their scope allows, and nothing else", async () => {
    const { id } = await everything("tok");
    const counted = new Set<string>();
    for (const scope of RIGHTS) {
      const token = await tokenOf(id, "tok", [scope]);
      for (const operation of operations) {
        const right = RIGHTS_OF_OPERATIONS[operation.id];
        const allowed = right === scope || right === "public" || right === "signed-in";
        const { status } = await call(operation, {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          origin: ORIGIN,
        });
        assert.equal(isThrough(status), allowed, `${scope} ${operation.id}: ${String(status)}`);
        if (right === scope) counted.add(scope);
      }
      const metrics = await server.app.inject({
        url: "/metrics",
        headers: { authorization: `Bearer ${token}` },
      });
      assert.equal(metrics.statusCode, scope === "service.operate" ? 200 : 403, `${scope} /metrics`);
    }
    assert(counted.size > RIGHTS.length / 2, "hardly any right has an operation");
  });

  test("lose what their person loses, and end with their time", async () => {
    const { id } = await everything("loser");
    const token = await tokenOf(id, "loser", [...RIGHTS]);
    const { db } = server.users.database;
    await db.updateTable("users").set({ role: "viewer" }).where("id", "=", id).execute();
    await db.deleteFrom("user_rights").where("user_id", "=", id).execute();
    const headers = { authorization: `Bearer ${token}` };
    for (const operation of operations) {
      const right = RIGHTS_OF_OPERATIONS[operation.id] ?? "";
      if (!["users.edit", "secrets.reveal", "secrets.edit", "plans.edit"].includes(right)) continue;
      assert.equal((await call(operation, headers)).status, 403, operation.id);
    }
    const ending = await tokenOf(id, "loser", ["plans.read"], server.clock.now() + 1000);
    const plans = { method: "GET", path: "/api/v1/plans" } as const;
    assert(isThrough((await call(plans, { authorization: `Bearer ${ending}` })).status));
    server.clock.advance(1001);
    assert.equal((await call(plans, { authorization: `Bearer ${ending}` })).status, 401);
  });
});

test("who is disabled gets to nothing but what is public, by session and by token", async () => {
  const { id, token } = await everything("gone");
  const apiToken = await tokenOf(id, "gone", [...RIGHTS]);
  await server.users.database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", id).execute();
  const all: readonly Headers[] = [
    { cookie: `__Host-holdfast=${token}`, origin: ORIGIN },
    { authorization: `Bearer ${apiToken}` },
  ];
  for (const headers of all) {
    for (const operation of operations) {
      const { status } = await call(operation, { ...headers, "content-type": "application/json" });
      const isPublic = RIGHTS_OF_OPERATIONS[operation.id] === "public";
      assert.equal(status === 401, !isPublic, `${operation.id}: ${String(status)}`);
    }
    assert.equal((await server.app.inject({ url: "/metrics", headers })).statusCode, 401);
  }
});

suite("what a browser sends for another site", () => {
  const FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""];

  test("reaches no route that changes something", async () => {
    const { token } = await everything("browser");
    const cookie = `__Host-holdfast=${token}`;
    const json = { "content-type": "application/json" };
    let through = 0;
    for (const operation of operations) {
      if (operation.method === "GET") continue;
      const foreign: readonly Headers[] = [
        { ...json, origin: "https://evil.test" },
        { ...json, origin: "null" },
        { ...json, origin: "https://service.test.evil.test" },
        { ...json, origin: "https://service.test@evil.test" },
        { ...json, "sec-fetch-site": "cross-site", origin: ORIGIN },
        { ...json, "sec-fetch-site": "same-site" },
        { ...json, "sec-fetch-site": "none" },
      ];
      for (const headers of foreign) {
        const refused = await call(operation, { cookie, ...headers });
        assert.deepEqual(refused, { status: 403, reached: [] }, `${operation.id} ${JSON.stringify(headers)}`);
      }
      // What a form can send is refused also without a word about where it comes from.
      for (const type of operation.method === "DELETE" ? [] : FORMS) {
        const headers = type === "" ? {} : { "content-type": type };
        const refused = await call(operation, { cookie, ...headers }, '{"name":"x"}');
        assert.deepEqual(refused, { status: 415, reached: [] }, `${operation.id} ${type}`);
      }
      if (isThrough((await call(operation, { cookie, ...json, origin: ORIGIN })).status)) through += 1;
    }
    assert(through > 20, "nothing comes through at all: nothing was proved");
  });

  test("cannot make one method into another", async () => {
    const { token } = await everything("override");
    const headers = {
      cookie: `__Host-holdfast=${token}`,
      origin: ORIGIN,
      "content-type": "application/json",
      "x-http-method-override": "DELETE",
      "x-http-method": "DELETE",
      "x-method-override": "DELETE",
    };
    const deletions = new Set(operations.filter(({ method }) => method === "DELETE").map(({ id }) => id));
    assert(deletions.size > 3);
    for (const { path } of operations) {
      for (const method of ["GET", "POST", "PUT", "PATCH"] as const) {
        const { reached: names } = await call({ method, path: `${path}?_method=DELETE` }, headers);
        assert.deepEqual(
          names.filter((name) => deletions.has(name)),
          [],
          `${method} ${path}`,
        );
      }
    }
  });
});
