/**
 * Who may call what: every route of the service, as its own description lists them, with every role. The table below is
 * written by hand: a route that is not in it, or whose right has changed, fails here until somebody has thought about it.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { AppError } from "@holdfast/kernel";
import { openAuthority } from "../src/authority/authority.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { createDomains, routesOf } from "../src/domains.ts";
import { type Right, ROLES, type Role } from "../src/users/rights.ts";
import { type AllRoutes, assertProblem, startTestServer, type TestServer } from "./http-fixture.ts";
import { RIGHTS_OF_OPERATIONS } from "./operation-rights.ts";

/** Who has a right by the role alone; written again, so that a change of the roles shows. */
const ROLES_OF_RIGHTS: Readonly<Record<Right, readonly Role[]>> = {
  "secrets.list": ["administrator", "backup-operator"],
  "secrets.use": ["administrator", "backup-operator"],
  "secrets.reveal": [],
  "secrets.edit": ["administrator"],
  "secrets.delete": ["administrator"],
  "secrets.protect": ["administrator"],
  "audit.read": ["administrator"],
  "storages.read": ROLES,
  "storages.edit": ["administrator"],
  "devices.read": ROLES,
  "devices.edit": ["administrator"],
  "plans.read": ROLES,
  "plans.edit": ["administrator", "backup-operator"],
  "plans.run": ["administrator", "backup-operator"],
  "tasks.read": ROLES,
  "tasks.cancel": ["administrator", "backup-operator", "restore-operator"],
  "copies.read": ROLES,
  "copies.browse": ["administrator", "restore-operator"],
  "copies.restore": ["administrator", "restore-operator"],
  "copies.delete": ["administrator"],
  "users.read": ["administrator"],
  "users.edit": ["administrator"],
  "service.operate": ["administrator"],
};

interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly id: string;
}

const FREE = { burst: 1e6, perSecond: 1e6 };

let server: TestServer;
let operations: readonly Operation[];
const tokens = new Map<Role, string>();
let reachedCount = 0;

/** What a route does is not asked here, only who comes to it. */
const reached = async (): Promise<never> => {
  reachedCount += 1;
  throw new AppError("ERR_CANCELLED", "reached");
};

before(async () => {
  const allRoutes: AllRoutes = async (parts) => {
    const domains = createDomains({ ...parts, authority: await openAuthority(parts) });
    return routesOf(domains).map((definition) => ({ ...definition, handle: reached }));
  };
  const limits = { addressLimit: FREE, userLimit: FREE };
  server = await startTestServer(await openDatabase(":memory:"), allRoutes, limits);
  const { body } = await server.app.inject({ url: "/api/openapi.json" });
  operations = operationsOf(JSON.parse(body));
  for (const role of ROLES) tokens.set(role, (await server.person(`a-${role}`, role)).token);
});

after(async () => {
  await server[Symbol.asyncDispose]();
});

// oxlint-disable-next-line typescript/no-explicit-any -- a description of the API
function operationsOf(description: any): Operation[] {
  return Object.entries<Record<string, { operationId: string }>>(description.paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => ({
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server answers 404 to others
        method: method.toUpperCase() as Operation["method"],
        path: path.replaceAll(/\{[^}]+\}/gu, "x"),
        id: operationId,
      })),
  );
}

/** Malformed on purpose: who is let in is told so, and changes nothing. */
const call = ({ method, path }: Operation, headers: Readonly<Record<string, string>> = {}, as?: string) =>
  server.send(method, path, { as, headers: { "if-match": '"1"', ...headers } });

suite("authorisation", () => {
  test("every route is in the table, and the table has no other", () => {
    assert.deepEqual(
      operations.map(({ id }) => id).toSorted(),
      Object.keys(RIGHTS_OF_OPERATIONS).toSorted(),
      "a new route: add it to operation-rights.ts with the right that it should need",
    );
  });

  test("nobody gets to anything but what is public", async () => {
    for (const operation of operations) {
      const { status } = await call(operation);
      const isPublic = RIGHTS_OF_OPERATIONS[operation.id] === "public";
      assert.equal(status === 401, !isPublic, `${operation.id}: ${String(status)}`);
    }
  });

  for (const role of ROLES) {
    test(`a user with the role ${role} gets to what the role may, and to nothing else`, async () => {
      for (const operation of operations) {
        const right = RIGHTS_OF_OPERATIONS[operation.id] ?? assert.fail(operation.id);
        const allowed = right === "public" || right === "signed-in" || ROLES_OF_RIGHTS[right].includes(role);
        const reachedBefore = reachedCount;
        const { status, body } = await call(operation, {}, tokens.get(role));
        assert.notEqual(status, 401, operation.id);
        assert.notEqual(status, 404, operation.id);
        assert.equal(body?.code !== "ERR_FORBIDDEN", allowed, `${role} ${operation.id}: ${String(status)}`);
        if (!allowed) {
          assert.equal(status, 403);
          assert.equal(body.subject, right);
          assert.equal(reachedCount, reachedBefore);
        }
      }
    });
  }

  test("no route takes a change that another site sends", async () => {
    for (const operation of operations.filter(({ method }) => method !== "GET")) {
      const reply = await call(operation, { "sec-fetch-site": "cross-site" }, tokens.get("administrator"));
      assertProblem(reply, 403, "ERR_CROSS_SITE");
    }
  });

  test("no route takes a session's token from Authorization, or from the address", async () => {
    const token = tokens.get("administrator") ?? "";
    for (const operation of operations.filter(({ id }) => RIGHTS_OF_OPERATIONS[id] !== "public")) {
      assertProblem(await call(operation, { authorization: `Bearer ${token}` }), 401, "ERR_SIGN_IN_NEEDED");
      const byQuery = { ...operation, path: `${operation.path}?token=${token}` };
      assertProblem(await call(byQuery), 401, "ERR_SIGN_IN_NEEDED");
    }
  });

  test("somebody who may do everything gets to every route", async () => {
    const { id, token } = await server.person("everything", "administrator");
    await server.users.database.db
      .insertInto("user_rights")
      .values({ user_id: id, right: "secrets.reveal" })
      .execute();
    for (const operation of operations) {
      const { status, body } = await call(operation, {}, token);
      assert.ok(status !== 401 && body?.code !== "ERR_FORBIDDEN", operation.id);
    }
  });
});
