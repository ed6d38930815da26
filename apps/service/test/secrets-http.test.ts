/** The Password Manager as a person meets it: over HTTP, on a database in a file, with everything that is left searched. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { openAuthority } from "../src/authority/authority.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { createDomains, routesOf } from "../src/domains.ts";
import { assertProblem, PASSWORD, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";

/** What must be found nowhere: no value has anything in common with another text. */
const SECRETS = {
  first: "Zq8-first-value-of-the-NAS",
  second: "Zq8-second-välue-of-the-NAS",
  key: "Zq8-encryption key of the office",
  wrong: "Zq8-not-confirmed-so",
  guess: "Zq8-guessed-so",
  passphrase: "Zq8-passphrase of the vault",
  person: "Zq8-typed as own password",
};

let folder: string;
let database: Database;
let server: TestServer;
let token: string;
let userId: string;
const replies: Reply[] = [];
/** Groups of the recovery kit. */
const groups: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-secrets-"));
  database = await openDatabase(join(folder, "holdfast.sqlite"));
  server = await startTestServer(database, async (parts) =>
    routesOf(createDomains({ ...parts, authority: await openAuthority(parts) })),
  );
  ({ id: userId, token } = await server.person("ada", "administrator"));
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function send(
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  etag?: string,
) {
  const headers = etag === undefined ? {} : { "if-match": etag };
  const reply = await server.send(method, path, {
    as: token,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  replies.push(reply);
  return reply;
}

const twice = (value: string) => ({ value, confirmation: value });

suite("the Password Manager over HTTP", () => {
  let password = "";
  let key = "";

  test("takes a password and an encryption key, and gives neither back", async () => {
    const body = { kind: "password", name: "NAS", ...twice(SECRETS.first) };
    const made = await send("POST", "/secrets", body);
    assert.deepEqual([made.status, made.headers["etag"], made.body.version], [201, '"1"', 1]);
    password = made.body.id;
    const other = await send("POST", "/secrets", {
      kind: "encryption-key",
      name: "<img src=x onerror=alert(1)>",
      hint: "the office",
      ...twice(SECRETS.key),
    });
    key = other.body.id;
    assert.equal(other.body.name, "<img src=x onerror=alert(1)>", "plain data");
    const list = await send("GET", "/secrets");
    assert.equal(list.body.items.length, 2);
    assert.match(String(list.headers["cache-control"]), /no-store/u);
  });

  test("refuses what does not fit, without repeating it", async () => {
    const wrong = { kind: "password", name: "x", value: SECRETS.wrong, confirmation: `${SECRETS.wrong}!` };
    assertProblem(await send("POST", "/secrets", wrong), 422, "ERR_CONFIRMATION");
    assertProblem(await send("POST", "/secrets", { ...wrong, kind: SECRETS.wrong }), 422, "ERR_INPUT");
    assertProblem(await send("POST", "/secrets", { ...wrong, value: [SECRETS.wrong] }), 422, "ERR_INPUT");
    assertProblem(await send("POST", "/secrets", { ...wrong, more: SECRETS.wrong }), 422, "ERR_INPUT");
    const taken = { kind: "password", name: "NAS", ...twice(SECRETS.wrong) };
    assertProblem(await send("POST", "/secrets", taken), 409, "ERR_NAME_TAKEN");
  });

  test("an edit needs the newest revision; the key's value cannot be edited at all", async () => {
    const change = { description: "in the cellar" };
    assertProblem(await send("PATCH", `/secrets/${password}`, change), 428, "ERR_REVISION_NEEDED");
    assert.equal((await send("PATCH", `/secrets/${password}`, change, '"1"')).headers["etag"], '"2"');
    assertProblem(await send("PATCH", `/secrets/${password}`, change, '"1"'), 412, "ERR_CHANGED_MEANWHILE");
    const value = twice(SECRETS.second);
    assert.equal((await send("PUT", `/secrets/${password}/value`, value, '"2"')).body.version, 2);
    const frozen = await send("PUT", `/secrets/${key}/value`, value, '"1"');
    assertProblem(frozen, 409, "ERR_SECRET_FROZEN");
    assert.match(frozen.body.remedy, /clone the plans/u);
    // Nor by a field that an edit does not have.
    await send("PATCH", `/secrets/${key}`, { value: SECRETS.wrong }, '"1"');
    const check = await send("POST", `/secrets/${key}/check`, { value: SECRETS.key });
    assert.deepEqual(check.body, { matches: true });
    assert.deepEqual((await send("POST", `/secrets/${key}/check`, { value: SECRETS.guess })).body, {
      matches: false,
    });
  });

  test("reveals to nobody by the role alone; with the right, for a reason and one's own password", async () => {
    const request = { password: PASSWORD, reason: "restore test" };
    assertProblem(await send("POST", `/secrets/${password}/reveal`, request), 403, "ERR_FORBIDDEN");
    await database.db
      .insertInto("user_rights")
      .values({ user_id: userId, right: "secrets.reveal" })
      .execute();
    const wrong = { ...request, password: SECRETS.person };
    assertProblem(await send("POST", `/secrets/${password}/reveal`, wrong), 403, "ERR_PASSWORD_WRONG");
    assertProblem(
      await send("POST", `/secrets/${password}/reveal`, { ...request, reason: "  " }),
      422,
      "ERR_INPUT",
    );
    const revealed = await server.send("POST", `/secrets/${password}/reveal`, { as: token, body: request });
    assert.deepEqual(revealed.body, { value: SECRETS.second, version: 2 });
    assert.match(String(revealed.headers["cache-control"]), /no-store/u);
  });

  test("the vault: a passphrase, a kit, a rotation, all of it whole", async () => {
    const slot = {
      label: "safe",
      passphrase: SECRETS.passphrase,
      confirmation: SECRETS.passphrase,
      password: PASSWORD,
    };
    assert.equal((await send("POST", "/vault/slots", slot)).status, 201);
    const kit = await server.send("POST", "/vault/recovery-kit", { as: token, body: { password: PASSWORD } });
    assert.equal(kit.status, 201);
    assert.match(kit.body.text, /^HOLDFAST RECOVERY KEY 1\n/u);
    const confirmation = await send("POST", `/vault/recovery-kit/${kit.body.id}/confirmation`, {
      skip: true,
    });
    assert.deepEqual(confirmation.body, { repositories: 0 });
    assert.equal((await send("POST", "/vault/rotation")).body.term, 2);
    assert.deepEqual((await send("GET", "/vault/verification")).body.problems, []);
    const status = await send("GET", "/vault");
    assert.deepEqual([status.body.recoveryKit, status.body.safeWithoutUnlockFile], [true, true]);
    assert.equal((await send("GET", "/audit/verification")).body.problem, undefined);
    assert.equal((await send("DELETE", `/secrets/${key}`)).status, 204);
    groups.push(...kit.body.text.split(/\s+/u).filter((group: string) => /^[0-9A-Z]{5}$/u.test(group)));
  });

  test("no secret is in an answer, in the log or in a file", async () => {
    const shown = JSON.stringify([replies, server.log]);
    const files = await Promise.all(
      (await readdir(folder)).map(async (name) => [name, await readFile(join(folder, name))] as const),
    );
    assert(files.some(([name]) => name.endsWith("-wal")) && files.length >= 2, "the files were not searched");
    for (const secret of [...Object.values(SECRETS), PASSWORD]) {
      for (const form of [
        secret,
        JSON.stringify(secret).slice(1, -1),
        Buffer.from(secret).toString("base64"),
      ]) {
        assert(!shown.includes(form), `${secret} shows`);
        for (const [name, bytes] of files) assert(!bytes.includes(form), `${secret} is in ${name}`);
      }
    }
    assert.equal(groups.length, 12);
    for (const group of groups.filter((text) => /[A-Z]/u.test(text))) {
      for (const [name, bytes] of files) assert(!bytes.includes(group), `a group of the kit is in ${name}`);
    }
    assert(
      files.some(([, bytes]) => bytes.includes("in the cellar")),
      "the search finds what is there",
    );
  });
});
