/** Notifications and the policy of calls over HTTP, as a console uses them. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { openAuthority } from "../src/authority/authority.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { createDomains, routesOf } from "../src/domains.ts";
import { assertProblem, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";
import { startWebServer, type TestWebServer, testAuthority } from "./tls-fixture.ts";

let database: Database;
let server: TestServer;
let hooks: TestWebServer;
let authorities: string;
let token: string;
const replies: Reply[] = [];

before(async () => {
  database = await openDatabase(":memory:");
  server = await startTestServer(database, async (parts) =>
    routesOf(createDomains({ ...parts, authority: await openAuthority(parts) })),
  );
  ({ token } = await server.person("ada", "administrator"));
  const authority = await testAuthority();
  authorities = authority.certificate;
  const certificate = await authority.issue([], ["127.0.0.1"]);
  hooks = await startWebServer(certificate, (request, response) => {
    response.writeHead(request.url === "/broken" ? 500 : 200).end();
  });
});

after(async () => {
  await hooks[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

async function send(method: Method, path: string, body?: unknown, revision?: number): Promise<Reply> {
  const headers = revision === undefined ? {} : { "if-match": `"${String(revision)}"` };
  const reply = await server.send(method, path, {
    as: token,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  replies.push(reply);
  return reply;
}

async function addSecret(name: string, value: string): Promise<string> {
  const given = { kind: "password", name, description: "", value, confirmation: value };
  const { status, body } = await send("POST", "/secrets", given);
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

suite("notifications over HTTP", () => {
  test("are set up, tried, and changed", async () => {
    const secret = await addSecret("hook", "Zq8 key of the hook");
    const url = `https://127.0.0.1:${String(hooks.port)}/hook`;
    const settings = { kind: "webhook", url, secret };
    const added = await send("POST", "/notifications/channels", { name: "chat", settings });
    assert.equal(added.status, 201, JSON.stringify(added.body));
    const channel = `/notifications/channels/${String(added.body.id)}`;
    assert.deepEqual(added.body.settings, settings);

    // Nothing on the service's own machine is called before an administrator has listed it.
    assertProblem(await send("POST", `${channel}/test`), 422, "ERR_OUTBOUND_REFUSED");
    const policy = await send("GET", "/policies/outbound");
    const listed = { networks: ["127.0.0.1"], plainHttp: [], authorities };
    assertProblem(await send("PUT", "/policies/outbound", listed), 428, "ERR_REVISION_NEEDED");
    const wide = { ...listed, networks: ["0.0.0.0/0"] };
    assertProblem(await send("PUT", "/policies/outbound", wide, policy.body.revision), 422, "ERR_INPUT");
    assert.equal((await send("PUT", "/policies/outbound", listed, policy.body.revision)).status, 200);
    const tested = await send("POST", `${channel}/test`);
    assert.deepEqual([tested.status, tested.body], [200, { note: null }]);
    assert.equal(hooks.requests.length, 1);

    assertProblem(await send("PATCH", channel, { name: "other" }), 428, "ERR_REVISION_NEEDED");
    const broken = { ...settings, url: url.replace("/hook", "/broken") };
    const changed = await send("PATCH", channel, { settings: broken }, added.body.revision);
    assert.equal(changed.status, 200);
    assertProblem(await send("POST", `${channel}/test`), 502, "ERR_DELIVERY_REFUSED");
    assert.equal((await send("GET", channel)).body.settings.url, broken.url);
    assertProblem(await send("DELETE", `/secrets/${secret}`), 409, "ERR_SECRET_IN_USE");
    const uses = await send("GET", `/secrets/${secret}/uses`);
    assert.deepEqual(uses.body.items, [{ kind: "channel", id: added.body.id, name: "chat" }]);

    const given = { channel: added.body.id, kinds: ["backup.failed", "device.silent"] };
    const rule = await send("POST", "/notifications/rules", given);
    assert.equal(rule.status, 201, JSON.stringify(rule.body));
    assert.deepEqual(rule.body.channel, { id: added.body.id, name: "chat" });
    const path = `/notifications/rules/${String(rule.body.id)}`;
    const fewer = await send("PATCH", path, { kinds: ["backup.failed"] }, rule.body.revision);
    assert.deepEqual(fewer.body.kinds, ["backup.failed"]);
    assert.equal(
      (await send("GET", `/notifications/rules?channel=${String(added.body.id)}`)).body.items.length,
      1,
    );
    assert.equal((await send("DELETE", path)).status, 204);
    assert.deepEqual((await send("GET", "/notifications/rules")).body.items, []);
    assert.deepEqual((await send("GET", "/notifications/deliveries")).body.items, []);
    assert.equal((await send("DELETE", channel)).status, 204);
    assert.deepEqual((await send("GET", "/notifications/channels")).body.items, []);
    assert.equal((await send("DELETE", `/secrets/${secret}`)).status, 204);
    assert(!JSON.stringify(replies).includes("Zq8"));
  });

  test("have settings with a revision", async () => {
    const { body } = await send("GET", "/notifications/settings");
    const settings = { publicUrl: null, silentHours: 24, freeGibibytes: 20, expiryDays: 14 };
    const { revision } = body;
    assert.deepEqual(body, { ...settings, changedAt: null, changedBy: null, revision: 0 });
    const changed = { ...settings, publicUrl: "https://backup.example" };
    assertProblem(await send("PUT", "/notifications/settings", changed), 428, "ERR_REVISION_NEEDED");
    const set = await send("PUT", "/notifications/settings", changed, revision);
    assert.equal(set.body.publicUrl, "https://backup.example");
    const script = { ...settings, publicUrl: "javascript:alert(1)" };
    assertProblem(await send("PUT", "/notifications/settings", script, revision + 1), 422, "ERR_INPUT");
  });

  test("take no address that could begin another header", async () => {
    const mail = {
      kind: "mail",
      host: "mail.example",
      port: 587,
      encryption: "starttls",
      user: null,
      from: "a@company.example",
      to: ["b@company.example"],
      secret: null,
    };
    const cases = [
      { from: "a@x.example\r\nBcc: c@x.example" },
      { from: "Name <a@x.example>" },
      { to: ["b@x.example, c@x.example"] },
      { to: [] },
      { host: "mail.example/x" },
      { encryption: "none" },
    ];
    for (const wrong of cases) {
      const settings = { ...mail, ...wrong };
      const reply = await send("POST", "/notifications/channels", { name: "mail", settings });
      assertProblem(reply, 422, "ERR_INPUT");
    }
    const half = { ...mail, user: "somebody" };
    assertProblem(
      await send("POST", "/notifications/channels", { name: "mail", settings: half }),
      422,
      "ERR_USAGE",
    );
    assert.equal(
      (await send("POST", "/notifications/channels", { name: "mail", settings: mail })).status,
      201,
    );
  });
});
