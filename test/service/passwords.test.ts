/** A password of a storage is changed: on the server while a backup runs, and in the Password Manager with a test before. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MemorySftpServer } from "../../packages/storage/test/servers/memory-sftp-server.ts";
import { SeededRandom } from "../seeded-random.ts";
import type { ApiClient } from "./api-client.ts";
import { startScene } from "./scene.ts";

const FIRST = "Zq9-first-password";
const SECOND = "Zq9-second-password";
const THIRD = "Zq9-third-password";
const WRONG = "Zq9-never-right";
const LOOK_MS = 50;
const TIMEOUT_MS = 60_000;

const listOf = (value: unknown): Readonly<Record<string, unknown>>[] => {
  assert(Array.isArray(value), JSON.stringify(value));
  return value.map((item: unknown) => {
    assert(typeof item === "object" && item !== null);
    return { ...item };
  });
};

async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + TIMEOUT_MS;
  while (!(await isSo())) {
    assert(performance.now() < end, what);
    await sleep(LOOK_MS);
  }
}

/** Proposes a value and waits for the end of its tests. */
async function propose(api: ApiClient, secret: unknown, value: string) {
  const path = `/secrets/${String(secret)}/proposals`;
  const { id } = await api.ok("POST", path, { value, confirmation: value });
  let shown = await api.ok("GET", `${path}/${String(id)}`);
  await until("the tests did not end", async () => {
    shown = await api.ok("GET", `${path}/${String(id)}`);
    return shown["finished"] === true;
  });
  return { path: `${path}/${String(id)}`, shown, places: listOf(shown["places"]) };
}

suite("a password of a storage", () => {
  test("changes in two places without ending what runs", { timeout: 300_000 }, async (context) => {
    await using server = await new MemorySftpServer().start();
    server.password = FIRST;
    const { api, bench, ended, addAgent, complaints } = await startScene(context, ["--no-worker"]);
    mkdirSync(bench.path(".ssh"), { mode: 0o700 });
    writeFileSync(bench.path(".ssh", "known_hosts"), server.knownHostsLine);
    const source = bench.path("source");
    mkdirSync(source);
    const random = new SeededRandom("passwords");
    const content = Buffer.alloc(3 * 1024 * 1024);
    for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(random.u32(), at);
    writeFileSync(join(source, "file"), content);
    const device = await addAgent("one");
    const { id: secret } = await api.ok("POST", "/secrets", {
      kind: "password",
      name: "nas",
      value: FIRST,
      confirmation: FIRST,
    });
    const { id: storage } = await api.ok("POST", "/storages", {
      name: "nas",
      location: server.url("/home/user"),
      secrets: { password: secret },
    });
    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [device],
      paths: [source],
      storage,
      encryption: null,
    });

    // The backup is signed in and cannot go on when the password changes there and here; then it is thrown out.
    server.stalled.add("WRITE");
    const { tasks } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
    const [task] = Array.isArray(tasks) ? tasks : [];
    const isWriting = (): boolean => [...server.files.keys()].some((path) => path.includes("/tmp/"));
    await until("the agent did not begin to write", isWriting);
    server.password = SECOND;
    const value = { value: SECOND, confirmation: SECOND };
    const untested = await api.call("PUT", `/secrets/${String(secret)}/value`, value, { "if-match": '"1"' });
    assert.deepEqual([untested.status, untested.body["code"]], [422, "ERR_SECRET_TEST"], "it is in use");
    const saved = await api.call(
      "PUT",
      `/secrets/${String(secret)}/value`,
      { ...value, despiteTests: true },
      { "if-match": '"1"' },
    );
    assert.deepEqual([saved.status, saved.body["version"]], [200, 2], JSON.stringify(saved.body));
    server.stalled.delete("WRITE");
    server.dropConnections();
    const backup = await ended(task);
    assert.equal(backup["state"], "succeeded", `${JSON.stringify(backup["error"])} ${complaints()}`);
    assert.equal(await countLeases(api), 2, "the run was given the new value once");

    // A value that the server takes already passes.
    server.password = THIRD;
    const proposed = await propose(api, secret, THIRD);
    assert.deepEqual(
      [proposed.shown["passed"], proposed.places.map(({ name, state }) => [name, state])],
      [true, [["nas", "succeeded"]]],
      JSON.stringify(proposed.shown),
    );
    const accepted = await api.call("POST", `${proposed.path}/accept`, {}, { "if-match": '"2"' });
    assert.deepEqual([accepted.status, accepted.body["version"]], [200, 3], JSON.stringify(accepted.body));

    // A value that the server refuses does not replace the one in use.
    const attempts = server.attempts;
    const refused = await propose(api, secret, WRONG);
    assert.deepEqual(
      [refused.shown["passed"], refused.places[0]?.["state"]],
      [false, "failed"],
      JSON.stringify(refused.shown),
    );
    assert.match(JSON.stringify(refused.places[0]?.["error"]), /ERR_STORAGE_CREDENTIALS/u);
    assert(server.attempts - attempts <= 8, "no account is locked by a test");
    const kept = await api.call("POST", `${refused.path}/accept`, {}, { "if-match": '"3"' });
    assert.deepEqual([kept.status, kept.body["code"]], [422, "ERR_SECRET_TEST"]);
    await api.ok("DELETE", refused.path);
    await expectTriedEverywhere(api);
    const { tasks: more } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
    const again = await ended(Array.isArray(more) ? more[0] : undefined);
    assert.equal(again["state"], "succeeded", JSON.stringify(again["error"]));
    assert(!/Zq9/u.test(complaints()), "no password is in a log");
  });
});

/** Whatever may use a password is tried, also where that fails: nothing of it is merely said to be untested. */
async function expectTriedEverywhere(api: ApiClient): Promise<void> {
  const given = { kind: "password", name: "shared", value: FIRST, confirmation: FIRST };
  const { id: secret } = await api.ok("POST", "/secrets", given);
  const nobody = "http://127.0.0.1:1";
  await api.ok("POST", "/identity-providers", { name: "sign-on", issuer: nobody, clientId: "c", secret });
  const settings = { kind: "webhook", url: "https://127.0.0.1:1/", secret };
  await api.ok("POST", "/notifications/channels", { name: "hook", settings });
  const { places, path } = await propose(api, secret, SECOND);
  assert.deepEqual(places.map(({ kind, state }) => `${String(kind)} ${String(state)}`).toSorted(), [
    "channel failed",
    "identity-provider failed",
  ]);
  await api.ok("DELETE", path);
}

async function countLeases(api: ApiClient): Promise<number> {
  const { items } = await api.ok("GET", "/audit?action=lease.give");
  return listOf(items).length;
}
