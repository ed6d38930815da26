/**
 * A stored password never goes to a host that somebody has just typed: not by the API, and not on the wire. Somebody who may edit
 * storages, and knows no password, points them at a server of his own, which listens to what comes.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { suite, test } from "node:test";
import { listeningPort } from "../service/listening.ts";
import { startScene } from "../service/scene.ts";

const PASSWORD = `canary-${randomBytes(12).toString("hex")}`;
const BASIC = Buffer.from(`me:${PASSWORD}`).toString("base64");

suite("a host that somebody has just typed", () => {
  test("gets no stored password", { timeout: 120_000 }, async (context) => {
    const heard: string[] = [];
    const server = createServer((request, response) => {
      heard.push(JSON.stringify([request.method, request.url, request.headers]));
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    });
    context.after(() => server.close());
    const port = await listeningPort(server);
    const { api, addAgent, ended, complaints } = await startScene(context, ["--no-worker"]);
    const device = await addAgent("one");
    const { id: secret } = await api.ok("POST", "/secrets", {
      kind: "password",
      name: "nas",
      value: PASSWORD,
      confirmation: PASSWORD,
    });
    const evil = `webdav://127.0.0.1:${String(port)}/x?plain-http=yes`;
    const given = { name: "nas", identity: { user: "me" }, secrets: { password: secret } };
    const storage = await api.ok("POST", "/storages", {
      ...given,
      location: "webdav://nas.invalid/x?plain-http=yes",
    });
    const path = `/storages/${String(storage["id"])}`;
    const seen = { "if-match": `"${String(storage["revision"])}"` };
    const changes: readonly Record<string, unknown>[] = [
      { location: evil },
      { location: evil, secrets: { password: secret } },
      { location: evil, secrets: { passphrase: secret } },
      { location: evil, confirmation: { password: "a guess" } },
      { location: evil, confirmation: {} },
      { location: evil, secrets: { password: secret }, confirmation: { other: PASSWORD } },
      { location: `webdav://nas.invalid/x?plain-http=yes&endpoint=http://127.0.0.1:${String(port)}` },
      { location: `webdav://nas.invalid@127.0.0.1:${String(port)}/x?plain-http=yes` },
      { location: `webdav://NAS.invalid\\@127.0.0.1:${String(port)}/x?plain-http=yes` },
    ];
    const refuse = async (method: string, where: string, body: Record<string, unknown>): Promise<void> => {
      const { status, body: answer } = await api.call(method, where, body, seen);
      const what = `${method} ${JSON.stringify(body)}: ${String(status)} ${JSON.stringify(answer)}`;
      assert(status >= 400 && status < 500, what);
      assert(!what.includes(PASSWORD) || JSON.stringify(body).includes(PASSWORD), what);
    };
    for (const change of changes) await refuse("PATCH", path, change);
    // Nor by a storage of its own, which borrows the password of the other one.
    await refuse("POST", "/storages", { ...given, name: "mine", location: evil });
    const mine = await api.ok("POST", "/storages", {
      name: "mine",
      location: evil,
      identity: { user: "me" },
    });
    await refuse("PATCH", `/storages/${String(mine["id"])}`, { secrets: { password: secret } });

    assert.equal((await api.ok("GET", path))["location"], storage["location"]);
    const { task } = await api.ok("POST", `${path}/test`, { device });
    assert.equal((await ended(task))["state"], "failed", "nobody is at nas.invalid");
    assert.equal(heard.length, 0, `the server of somebody heard ${heard.join("\n")}`);

    // The test of the test: with the password typed again the storage moves, and then it is sent there.
    await api.call("PATCH", path, { location: evil, confirmation: { password: PASSWORD } }, seen);
    const moved = await api.ok("POST", `${path}/test`, { device });
    assert.equal((await ended(moved["task"]))["state"], "failed");
    assert(
      heard.some((request) => request.includes(BASIC)),
      `the password was not sent: ${heard.join("\n")}`,
    );
    assert(!complaints().includes(PASSWORD) && !complaints().includes(BASIC));
  });
});
