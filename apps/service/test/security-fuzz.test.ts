/**
 * Every route of the service, from its own description, with requests that are drawn by chance: nothing that anybody can send
 * makes the service fail, shows its inside or tells a secret; what it takes, it keeps as it was.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "@holdfast/kernel";
import { openAuthority } from "../src/authority/authority.ts";
import { createDomains, routesOf } from "../src/domains.ts";
import { startSession } from "../src/users/sessions.ts";
import { SeededRandom } from "../../../test/seeded-random.ts";
import { HOSTILE_TEXTS, type Operation, operationsOf, RequestMaker, type Schema } from "./api-requests.ts";
import { forEachDatabase, type OpenTestDatabase } from "./databases.ts";
import { RIGHTS_OF_OPERATIONS } from "./operation-rights.ts";
import { PASSWORD, startTestServer, type TestServer } from "./http-fixture.ts";

const SEED = process.env["FUZZ_SEED"] ?? String(randomInt(2 ** 31));
const BUDGET_MS = process.env["SLOW"] === "1" ? 10 * 60_000 : 8000;
/** No answer is waited for longer: the slowest one stretches a password a few times. */
const ANSWER_MS = 60_000;
/** Of each operation at least, however slow the machine is. */
const ROUNDS_MIN = 3;
const FREE = { burst: 1e9, perSecond: 1e9 };
const CANARY = "kanarienvogel-7f3a91c2-geheim";
const ID = /^(?:[a-z]+_[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{32}|[0-9a-f]{64})$/u;

/** Streams go on until somebody closes them; what takes away the right to ask is asked otherwise. */
const LEFT_OUT: ReadonlySet<string> = new Set(["watch"]);
/** Of 5xx, what the service says on purpose: here, that no device is there for the work. */
const FORESEEN: ReadonlySet<string> = new Set(["ERR_NO_DEVICE"]);
/** These answer a secret to the one who may have it. */
const TELLS: ReadonlySet<string> = new Set(["revealSecret"]);

interface World {
  readonly server: TestServer;
  readonly description: Schema;
  readonly operations: readonly Operation[];
  readonly known: string[];
  readonly userId: string;
  /** Signs in again: some requests end sessions. */
  readonly token: () => Promise<string>;
}

async function startWorld(open: OpenTestDatabase): Promise<World> {
  const server = await startTestServer(
    await open(),
    async (parts) =>
      routesOf(
        createDomains({
          ...parts,
          randomness: parts.randomness,
          authority: await openAuthority(parts),
        }),
      ),
    { addressLimit: FREE, userLimit: FREE },
  );
  const { id } = await server.person("everything", "administrator");
  const { users } = server;
  await users.database.db
    .insertInto("user_rights")
    .values({ user_id: id, right: "secrets.reveal" })
    .execute();
  const description: Schema = JSON.parse((await server.app.inject({ url: "/api/openapi.json" })).body);
  const world = {
    server,
    description,
    operations: operationsOf(description).filter((operation) => !LEFT_OUT.has(operation.id)),
    known: [id],
    userId: id,
    token: async () => {
      // Whatever the last request did to this person.
      await users.database.db
        .updateTable("users")
        .set({ disabled: 0, role: "administrator" })
        .where("id", "=", id)
        .execute();
      return users.database.transaction((transaction) =>
        startSession(users, transaction, id, { address: "192.0.2.1", userAgent: "" }),
      );
    },
  };
  await fill(world);
  return world;
}

/** One of each, so that ids lead somewhere. */
async function fill(world: World): Promise<void> {
  const { server, known } = world;
  const { db } = server.users.database;
  const as = await world.token();
  const add = async (path: string, body: unknown): Promise<string> => {
    const reply = await server.send("POST", path, { as, body });
    assert(reply.status < 300, `${path}: ${JSON.stringify(reply.body)}`);
    const id = String(reply.body.id);
    known.push(id);
    return id;
  };
  const password = await add("/secrets", {
    kind: "password",
    name: "nas",
    value: CANARY,
    confirmation: CANARY,
  });
  const key = await add("/secrets", {
    kind: "encryption-key",
    name: "key",
    value: `${CANARY} key`,
    confirmation: `${CANARY} key`,
  });
  const storage = await add("/storages", {
    name: "nas",
    location: "sftp://me@127.0.0.1:1/x",
    secrets: { password },
  });
  const device = newId("dev");
  known.push(device);
  await db
    .insertInto("devices")
    .values({
      id: device,
      name: "web",
      platform: JSON.stringify({ system: "linux", release: "6", architecture: "x64", hostname: "web" }),
      methods: JSON.stringify(["gcm", "cbc"]),
      version: "1",
      worker: 1,
      disabled: 0,
      created_at: 1,
      created_by: "",
      certificate_serial: "01",
      next_certificate_serial: null,
      certificate_expires_at: 1,
      process_id: null,
      connected_at: null,
      seen_at: 1,
      revision: 1,
    })
    .execute();
  const plan = await add("/plans", {
    name: "nightly",
    devices: [device],
    paths: ["/srv"],
    storage,
    encryption: { method: "gcm", level: "high", secret: key },
  });
  const run = await server.send("POST", `/plans/${plan}/run`, { as, body: {} });
  known.push(...run.body.tasks);
  const { id: repository } = await db.selectFrom("repositories").select("id").executeTakeFirstOrThrow();
  const copy = "c".repeat(64);
  known.push(repository, copy);
  await db
    .insertInto("copies")
    .values({
      id: copy,
      repository_id: repository,
      plan_id: plan,
      device_id: device,
      task_id: null,
      time: 1,
      host: "web",
      kind: "files",
      paths: '["/srv"]',
      tags: "[]",
      size: 1,
      files: 1,
      stored: 1,
      forgotten_at: null,
    })
    .execute();
}

/** Ids that an answer tells of. */
function idsIn(value: unknown): string[] {
  if (typeof value === "string") return ID.test(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(idsIn);
}

/** Texts at the same places of request and answer are the same: nothing was cut, escaped or replaced on its way. */
function checkEcho(sent: unknown, answered: unknown, where: string): void {
  if (typeof sent === "string" && typeof answered === "string") assert.equal(answered, sent, where);
  // Sets of words are put in order, and lose what comes twice; lists, as of the recipients of a mail, may keep it.
  if (Array.isArray(sent) && Array.isArray(answered)) {
    // Providers are asked for `openid` always, as the API says.
    const added = /^\w*IdentityProvider .*\.scopes$/su.test(where) ? ["openid"] : [];
    const words = [...new Set([...sent.map(textOf), ...added])].toSorted();
    assert.deepEqual([...new Set(answered.map(textOf))].toSorted(), words, where);
    assert(answered.length === sent.length || answered.length === words.length, where);
    return;
  }
  if (typeof sent !== "object" || sent === null || typeof answered !== "object" || answered === null) return;
  for (const [name, value] of Object.entries(sent)) {
    if (Object.hasOwn(answered, name)) checkEcho(value, Reflect.get(answered, name), `${where}.${name}`);
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const INSIDE =
  /\bat .+\.(?:ts|js|mjs|cjs):\d+|node_modules|SQLITE_|syntax error at|violates|\bselect\b .* \bfrom\b|\$argon2|Cannot read prop|is not a function/iu;

/** @returns the status. */
async function ask(
  world: World,
  operation: Operation,
  url: string,
  body: unknown,
  as: string,
): Promise<number> {
  const { server, known } = world;
  const logged = server.log.length;
  const asked = server.app.inject({
    method: operation.method,
    url,
    headers: {
      host: "service.test",
      origin: "https://service.test",
      cookie: `__Host-holdfast=${as}`,
      "if-match": '"1"',
      ...(operation.method === "GET" ? {} : { "content-type": "application/json" }),
    },
    remoteAddress: "192.0.2.1",
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  });
  // The clock stands still otherwise, and some requests wait for a device, for a while.
  const timer = setInterval(() => server.clock.advance(10_000), 50);
  const response = await Promise.race([asked, sleep(ANSWER_MS, undefined, { ref: false })]);
  clearInterval(timer);
  assert(
    response !== undefined,
    `no answer to ${operation.id} ${url} ${JSON.stringify(body)} with FUZZ_SEED=${SEED}`,
  );
  const what = `${operation.id} ${url} ${JSON.stringify(body)?.slice(0, 2000)} with FUZZ_SEED=${SEED}: ${response.body.slice(0, 1000)}`;
  const failures = server.log
    .slice(logged)
    .filter(({ event, code }) => event === "failure" && !FORESEEN.has(String(code)));
  assert.deepEqual(failures, [], what);
  const foreseen = response.statusCode === 503 && FORESEEN.has(String(JSON.parse(response.body).code));
  assert(response.statusCode < 500 || foreseen, what);
  assert(!INSIDE.test(response.body), what);
  if (!TELLS.has(operation.id)) assert(!response.body.includes(CANARY), what);
  for (const value of Object.values(response.headers)) assert(!/[\r\n]/u.test(String(value)), what);
  const answer: unknown = response.body === "" ? undefined : JSON.parse(response.body);
  if (response.statusCode < 300) {
    checkEcho(body, answer, what);
    known.push(...idsIn(answer).slice(0, 5));
    if (known.length > 200) known.splice(50, 20);
  } else {
    assert.match(String(response.headers["content-type"]), /^application\/problem\+json/u, what);
  }
  return response.statusCode;
}

/** What a log line is made of, and what lies in the database, is none of the secrets. */
async function checkNothingTold({ server }: World): Promise<void> {
  assert(!JSON.stringify(server.log).includes(CANARY), "the log tells a secret");
  assert(!JSON.stringify(server.log).includes(PASSWORD), "the log tells a password");
  const { db } = server.users.database;
  const audit = JSON.stringify(await db.selectFrom("audit_rows").selectAll().execute());
  assert(!audit.includes(CANARY) && !audit.includes(PASSWORD), "the audit log tells a secret");
}

forEachDatabase("requests drawn by chance", (open) => {
  test("never make the service fail, and show nothing of its inside", {
    timeout: 15 * 60_000,
  }, async (context) => {
    const world = await startWorld(open);
    await using _ = world.server;
    const random = new SeededRandom(`fuzz/${SEED}`);
    const end = performance.now() + BUDGET_MS;
    let count = 0;
    let as = await world.token();
    const reached = new Set<string>();
    const succeeded = new Set<string>();
    for (let round = 0; round < ROUNDS_MIN || performance.now() < end; round += 1) {
      // From what is right but for its content to what is wrong in most places.
      const maker = new RequestMaker(random, world.description, world.known, [0, 6, 25][round % 3] ?? 0);
      for (const operation of world.operations) {
        if (round >= ROUNDS_MIN && performance.now() > end) break;
        const { url, body } = maker.make(operation);
        const status = await ask(world, operation, url, body, as);
        if (status !== 401 || RIGHTS_OF_OPERATIONS[operation.id] === "public") reached.add(operation.id);
        if (status < 300) succeeded.add(operation.id);
        // What ended the session, or was asked after its end.
        if (status === 401 || status === 204) as = await world.token();
        if (status === 401 && (await ask(world, operation, url, body, as)) !== 401) reached.add(operation.id);
        count += 1;
      }
    }
    const missed = world.operations.filter(({ id }) => !reached.has(id)).map(({ id }) => id);
    assert.deepEqual(missed, [], "nothing came through to these");
    assert(succeeded.size > world.operations.length / 5, `only ${[...succeeded].join(" ")} took anything`);
    await checkNothingTold(world);
    context.diagnostic(
      `seed ${SEED}: ${String(count)} requests, ${String(succeeded.size)} of ${String(world.operations.length)} operations succeeded`,
    );
  });

  test("no list takes a cursor that it has not given and fails at it", async () => {
    const world = await startWorld(open);
    await using _ = world.server;
    const { server, operations } = world;
    const as = await world.token();
    const lists = operations.filter(({ parameters }) => parameters.some(({ name }) => name === "cursor"));
    assert(lists.length > 5);
    const texts = ["\0", "x", " ", "1e400", "-1", "NaN", "9007199254740993", "a\nb", "' OR 1=1", "1 2 3"];
    const cursors = [...texts.map((text) => Buffer.from(text).toString("base64url")), "_w", "", "%", "="];
    for (const { id, path } of lists) {
      const known = path.replaceAll(/\{[^}]+\}/gu, world.known.find((one) => one.startsWith("task_")) ?? "");
      for (const cursor of cursors) {
        const reply = await server.send("GET", `${known}?cursor=${encodeURIComponent(cursor)}`, { as });
        const isAnswer = reply.status === 200 || ["ERR_USAGE", "ERR_INPUT"].includes(reply.body.code);
        assert(isAnswer, `${id} ${cursor}: ${JSON.stringify(reply.body)}`);
      }
    }
  });

  test("names and descriptions come back as they were, or are refused", async () => {
    const world = await startWorld(open);
    await using _ = world.server;
    const { server } = world;
    const as = await world.token();
    let taken = 0;
    for (const [index, text] of HOSTILE_TEXTS.entries()) {
      const own = String(index);
      const bodies: readonly (readonly [string, Record<string, unknown>, readonly string[]])[] = [
        [
          "/secrets",
          { kind: "password", name: `n${own}`, value: "x", confirmation: "x" },
          ["name", "description", "hint"],
        ],
        ["/storages", { name: `n${own}`, location: "/srv" }, ["name", "description"]],
        ["/tokens", { name: "n", scopes: ["plans.read"], expiresAt: null }, ["name"]],
      ];
      for (const [path, body, fields] of bodies) {
        for (const field of fields) {
          const given = { ...body, name: `${String(body["name"])} ${field}`, [field]: text };
          const reply = await server.send("POST", path, { as, body: given });
          const isAnswer =
            reply.status < 300 || reply.body.code === "ERR_INPUT" || reply.body.code === "ERR_USAGE";
          assert(isAnswer, `${path} ${field} ${JSON.stringify(text)}: ${JSON.stringify(reply.body)}`);
          if (reply.status >= 300) continue;
          taken += 1;
          assert.equal(reply.body[field], text, `${path} ${field}`);
          if (path === "/tokens") continue;
          const read = await server.send("GET", `${path}/${String(reply.body.id)}`, { as });
          assert.equal(read.body[field], text, `${path} ${field}`);
        }
      }
    }
    assert(taken > HOSTILE_TEXTS.length, "hardly anything was taken: nothing was proved");
  });
});
