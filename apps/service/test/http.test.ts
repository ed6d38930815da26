/**
 * What the server does around every route.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ERROR_CODES } from "@holdfast/kernel";
import { openDatabase } from "../src/database/open-database.ts";
import { createRateLimit, networkOf } from "../src/http/rate-limit.ts";
import type { AnyRoute } from "../src/http/route.ts";
import { STATUSES } from "../src/http/statuses.ts";
import { assertProblem, startTestServer } from "./http-fixture.ts";
import { sampleRoutes, startWithSamples } from "./http-samples.ts";

suite("HTTP server", () => {
  test("an answer has what its schema names and nothing else, and an ETag of its revision", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "administrator");
    const reply = await server.send("POST", "/things", { as: token, body: { name: "x" } });
    assert.equal(reply.status, 201);
    assert.deepEqual(reply.body, { id: "1", nested: { shown: "x" }, revision: 7 });
    assert.equal(reply.headers["etag"], '"7"');
    assert.equal(reply.headers["content-type"], "application/json; charset=utf-8");
  });

  test("unknown fields of body, nested objects and query are refused with their paths", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "administrator");
    const body = { name: "x", typo: 1, nested: { a: 1, c: 2 }, list: [{ b: "" }, { b: "", d: 1 }] };
    const reply = await server.send("POST", "/things", { as: token, body });
    assertProblem(reply, 422, "ERR_INPUT");
    assert.deepEqual(
      reply.body.problems.map(({ path }: { path: string }) => path),
      ["body.typo", "body.nested.c", "body.list.1.d"],
    );
    const query = await server.send("GET", "/things?limit=5&sort=x", { as: token });
    assertProblem(query, 422, "ERR_INPUT");
    assert.deepEqual(query.body.problems, [{ path: "query.sort", message: "is not known" }]);
    assertProblem(await server.send("GET", "/session?token=x", { as: token }), 422, "ERR_INPUT");
  });

  for (const [name, body] of [
    ["a wrong type", { name: 1 }],
    ["a text that is too long", { name: "x".repeat(11) }],
    ["U+0000", { name: "a\0b" }],
    ["U+0000 in a name", { name: "x", nested: { "a\0": 1 } }],
    ["no object", []],
    ["nothing", undefined],
  ] as const) {
    test(`a body with ${name} is refused`, async () => {
      const calls: unknown[] = [];
      await using server = await startWithSamples(calls);
      const { token } = await server.person("ann", "administrator");
      const reply = await server.send("POST", "/things", { as: token, body });
      assertProblem(reply, 422, "ERR_INPUT");
      assert.deepEqual(calls, []);
    });
  }

  test("what is no JSON, too large, of another type, or tampers with prototypes is refused", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "administrator");
    const { app } = server;
    const post = (payload: string, type = "application/json") =>
      app.inject({
        method: "POST",
        url: "/api/v1/things",
        headers: { cookie: `__Host-holdfast=${token}`, "content-type": type },
        payload,
      });
    assert.equal((await post('{"name":')).statusCode, 422);
    assert.equal((await post(`{"name":"${"x".repeat(1024 * 1024)}"}`)).statusCode, 413);
    assert.equal((await post("name=x", "application/x-www-form-urlencoded")).statusCode, 415);
    assert.equal((await post('{"name":"x"}', "text/plain")).statusCode, 415);
    assert.equal((await post('{"name":"x","__proto__":{"a":1}}')).statusCode, 422);
    assert.equal((await post(`{"name":"x","nested":${"[".repeat(200_000)}`)).statusCode, 422);
  });

  test("limits of pages: 50 unless said, 1 to 200", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "viewer");
    const limitOf = async (query: string): Promise<unknown> => {
      const { status, body } = await server.send("GET", `/things${query}`, { as: token });
      return status === 200 ? body.items[0].limit : status;
    };
    assert.equal(await limitOf(""), 50);
    assert.equal(await limitOf("?limit=200"), 200);
    for (const bad of ["0", "201", "x", "", "1.5", "1&limit=2"])
      assert.equal(await limitOf(`?limit=${bad}`), 422);
  });

  test("an unexpected error is 500 with an id that the log has, and tells nothing else", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "viewer");
    for (const how of ["error", "answer"]) {
      const reply = await server.send("GET", `/broken/${how}`, { as: token });
      assertProblem(reply, 500, "ERR_INTERNAL");
      assert.ok(!JSON.stringify(reply.body).includes("secret"));
      const entry = server.log.find(({ id }) => id === reply.body.id);
      assert.equal(entry?.["event"], "failure");
      assert.ok(String(entry["stack"]).includes(".ts:"));
    }
    assert.ok(!JSON.stringify(server.log).includes("secret text"));
  });

  test("the log has the pattern of a route, never its parameters, query or cookies", async () => {
    await using server = await startWithSamples();
    const { id, token } = await server.person("ann", "administrator");
    await server.send("GET", "/things?cursor=hidden", { as: token });
    await server.send("DELETE", "/things/hidden", { as: token });
    await server.send("GET", "/nothing/hidden", { as: token });
    assert.ok(!JSON.stringify(server.log).includes("hidden"));
    assert.ok(!JSON.stringify(server.log).includes(token));
    const [first] = server.log;
    assert.deepEqual(
      { route: first?.["route"], status: first?.["status"], user: first?.["user"], event: first?.["event"] },
      { route: "/api/v1/things", status: 200, user: id, event: "request" },
    );
  });

  test("nobody is signed in: 401; without the right: 403 that names it", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("vic", "viewer");
    const nobody = await server.send("POST", "/things", { body: { name: "x" } });
    assertProblem(nobody, 401, "ERR_SIGN_IN_NEEDED");
    assert.equal(nobody.headers["www-authenticate"], 'Bearer realm="holdfast"');
    const viewer = await server.send("POST", "/things", { as: token, body: { name: "x" } });
    assertProblem(viewer, 403, "ERR_FORBIDDEN");
    assert.equal(viewer.body.subject, "plans.edit");
    for (const as of ["wrong", `${token.slice(0, -1)}!`, ""]) {
      assertProblem(await server.send("GET", "/things", { as }), 401, "ERR_SIGN_IN_NEEDED");
    }
  });

  test("an edit needs If-Match, and gets its revision", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "administrator");
    const edit = (header?: string) =>
      server.send("PATCH", "/things/1", {
        as: token,
        body: {},
        headers: header === undefined ? {} : { "if-match": header },
      });
    assertProblem(await edit(), 428, "ERR_REVISION_NEEDED");
    assert.deepEqual((await edit('"12"')).body, { seen: 12 });
    for (const bad of ["12", "*", 'W/"12"', '"1", "2"', '"x"', '"-1"']) {
      assertProblem(await edit(bad), 422, "ERR_INPUT");
    }
  });

  test("what is not there is 404 as a problem, without its query", async () => {
    await using server = await startWithSamples();
    const reply = await server.send("GET", "/nothing?token=hidden");
    assertProblem(reply, 404, "ERR_NOT_FOUND");
    assert.ok(!JSON.stringify(reply.body).includes("hidden"));
    assertProblem(await server.send("GET", "/%"), 422, "ERR_INPUT");
  });

  test("every answer has the headers that browsers obey", async () => {
    await using server = await startWithSamples();
    for (const path of ["/session", "/nothing", "/setup"]) {
      const { headers } = await server.send("GET", path);
      assert.match(String(headers["content-security-policy"]), /default-src 'none'/u);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["cache-control"], "no-store");
      assert.equal(headers["x-frame-options"], "DENY");
      assert.equal(headers["referrer-policy"], "no-referrer");
      assert.equal(headers["cross-origin-resource-policy"], "same-origin");
      assert.ok(headers["strict-transport-security"]);
    }
  });

  test("health is there for everybody, readiness follows the database", async () => {
    const database = await openDatabase(":memory:");
    await using server = await startWithSamples([], database);
    const get = async (url: string): Promise<number> => (await server.app.inject({ url })).statusCode;
    assert.equal(await get("/healthz"), 200);
    assert.equal(await get("/readyz"), 200);
    await database[Symbol.asyncDispose]();
    assert.equal(await get("/healthz"), 200);
    assert.equal(await get("/readyz"), 500);
  });

  for (const [why, headers] of [
    ["of another site, by Sec-Fetch-Site", { "sec-fetch-site": "cross-site" }],
    ["of a neighbour", { "sec-fetch-site": "same-site" }],
    ["that a person typed", { "sec-fetch-site": "none" }],
    ["of another origin", { origin: "https://evil.test" }],
    ["of another port", { origin: "https://service.test:8443" }],
    ["of an unknown origin", { origin: "null" }],
  ] as const) {
    test(`a change ${why} is refused, reading is not`, async () => {
      const calls: unknown[] = [];
      await using server = await startWithSamples(calls);
      const { token } = await server.person("ann", "administrator");
      const sent = { as: token, headers };
      assertProblem(
        await server.send("POST", "/things", { ...sent, body: { name: "x" } }),
        403,
        "ERR_CROSS_SITE",
      );
      assertProblem(await server.send("DELETE", "/things/1", sent), 403, "ERR_CROSS_SITE");
      assertProblem(
        await server.send("POST", "/session", { headers, body: { name: "x", password: "x" } }),
        403,
        "ERR_CROSS_SITE",
      );
      assert.equal((await server.send("GET", "/things", sent)).status, 200);
      assert.deepEqual(calls, []);
    });
  }

  test("a change that a form could send is refused", async () => {
    await using server = await startWithSamples();
    const { token } = await server.person("ann", "administrator");
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]) {
      const reply = await server.app.inject({
        method: "POST",
        url: "/api/v1/things",
        headers: { cookie: `__Host-holdfast=${token}`, ...(type === "" ? {} : { "content-type": type }) },
        payload: type === "" ? "" : '{"name":"x"}',
      });
      assert.equal(reply.statusCode, 415, type);
    }
  });

  test("an address that asks too often has to wait", async () => {
    await using database = await openDatabase(":memory:");
    await using server = await startTestServer(database, [], { addressLimit: { burst: 3, perSecond: 0.5 } });
    const ask = (address: string) => server.send("GET", "/setup", { address });
    for (let count = 0; count < 3; count += 1) assert.equal((await ask("192.0.2.7")).status, 200);
    const refused = await ask("192.0.2.7");
    assertProblem(refused, 429, "ERR_TOO_MANY_ATTEMPTS");
    assert.equal(refused.headers["retry-after"], "2");
    assert.equal((await ask("192.0.2.8")).status, 200);
    server.clock.advance(2000);
    assert.equal((await ask("192.0.2.7")).status, 200);
  });

  test("a route without a right, or defined twice, does not start", async () => {
    const [first] = sampleRoutes();
    assert.ok(first);
    const start = async (routes: AnyRoute[]) => startTestServer(await openDatabase(":memory:"), routes);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as if written without types
    const without = { ...first, right: undefined } as unknown as AnyRoute;
    await assert.rejects(start([without]), /declares no right/u);
    await assert.rejects(start([first, first]), /defined twice/u);
  });

  test("every error code has a status that is an error", () => {
    assert.deepEqual(Object.keys(STATUSES).toSorted(), Object.keys(ERROR_CODES).toSorted());
    for (const [code, status] of Object.entries(STATUSES)) {
      assert.ok(status >= 400 && status < 600, code);
    }
  });
});

suite("rate limit", () => {
  test("addresses of one subscriber are one network", () => {
    assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
    assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
    assert.equal(networkOf("2001:db8:0:1:aaaa:bbbb:cccc:dddd"), networkOf("2001:db8:0:1::1"));
    assert.notEqual(networkOf("2001:db8:0:1::1"), networkOf("2001:db8:0:2::1"));
    assert.equal(networkOf("::1"), "0:0:0:0::/64");
    assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  });

  test("as many as the burst at once, then as many as the rate", () => {
    let now = 0;
    const limit = createRateLimit({ monotonic: () => now }, { burst: 10, perSecond: 2 });
    const passed = (): number => {
      let count = 0;
      for (; count < 100; count += 1) {
        try {
          limit("a");
        } catch {
          break;
        }
      }
      return count;
    };
    assert.equal(passed(), 10);
    now += 3000;
    assert.equal(passed(), 6);
    now += 3_600_000;
    assert.equal(passed(), 10);
  });
});
