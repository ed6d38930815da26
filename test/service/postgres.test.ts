/**
 * Three processes of the service on one PostgreSQL, behind one address: the one that an agent talks to is killed in the middle of a
 * backup, and later the database itself. Nothing that was begun is lost, done twice or left half.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, newBench } from "../../apps/command/test/run-holdfast.ts";
import { postgresMissing, startPostgres } from "../../apps/service/test/postgres-server.ts";
import { type ApiClient, apiClient } from "./api-client.ts";
import { type Relay, startRelay } from "./relay.ts";
import { ADMINISTRATOR, endedTask, kill, type Running, start, startServe } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const FILES = 40;
const FILE_BYTES = 1_000_000;
/** So that a backup lasts long enough to be killed in. */
const BYTES_PER_SECOND = 4_000_000;
const WAIT_MS = 60_000;

/** Waits for what a look finds. */
async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert(performance.now() < end, `${what} did not come`);
    await sleep(50);
  }
}

function packsIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  try {
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
    return names.filter((name) => /packs\/..\/[0-9a-f]{64}$/u.test(name)).length;
  } catch {
    // While it is written to, names come and go.
    return 0;
  }
}

function newSource(bench: Bench): string {
  const source = bench.path("source");
  mkdirSync(source, { recursive: true });
  for (let number = 0; number < FILES; number += 1) {
    writeFileSync(join(source, String(number)), randomBytes(FILE_BYTES));
  }
  return source;
}

interface Company {
  readonly api: ApiClient;
  readonly services: ReadonlyMap<number, Running>;
  readonly forAgents: Relay;
  readonly bench: Bench;
  readonly plan: string;
  readonly source: string;
}

/** Starts a backup and returns its task as soon as some of it is stored. */
async function beginBackup({ api, bench, plan }: Company): Promise<string> {
  const before = packsIn(bench.path("storage"));
  const { tasks } = await api.ok("POST", `/plans/${plan}/run`, {});
  assert(Array.isArray(tasks));
  const task = String(tasks[0]);
  await until("a pack", async () => {
    const { endedAt } = await api.ok("GET", `/tasks/${task}`);
    assert.equal(endedAt, null, "the backup was over before anything could be killed");
    return packsIn(bench.path("storage")) > before ? true : undefined;
  });
  return task;
}

async function checkCopies({ api, bench, plan, source }: Company, count: number): Promise<void> {
  const { items } = await api.ok("GET", `/copies?plan=${plan}`);
  assert(Array.isArray(items));
  assert.equal(items.length, count);
  const [copy]: { id?: unknown }[] = items;
  const target = bench.path(`restored-${String(count)}`);
  const { task } = await api.ok("POST", `/copies/${String(copy?.id)}/restore`, { target });
  const restored = await endedTask(api, String(task));
  assert.equal(restored["state"], "succeeded", JSON.stringify(restored["error"]));
  execFileSync("diff", ["-r", source, join(target, source)]);
  assert.equal((await api.ok("GET", "/audit/verification"))["problem"], undefined);
}

/** The API does not answer while the database is away. */
async function whenBack(api: ApiClient): Promise<void> {
  await until("the database", async () => {
    const { status } = await api.call("GET", "/tasks?limit=1");
    return status === 200 ? true : undefined;
  });
}

suite("three processes of the service on PostgreSQL", { skip: postgresMissing }, () => {
  test("lose one, and the database, in the middle of backups", { timeout: 300_000 }, async (context) => {
    await using stack = new AsyncDisposableStack();
    const postgres = stack.use(await startPostgres());
    await postgres.administer("create database holdfast");
    const bench = newBench(context, "passphrase");
    const more = ["--no-worker", "--database", postgres.url("holdfast")];
    const services = new Map<number, Running>();
    let setupLink = "";
    for (let count = 0; count < 3; count += 1) {
      const { running, listening } = await startServe(bench, "127.0.0.1:0", more);
      services.set(Number(new URL(String(listening["url"])).port), running);
      if (count === 0) setupLink = String(listening["setupLink"]);
    }
    const forAgents = stack.use(await startRelay([...services.keys()]));
    const forPeople = stack.use(await startRelay([...services.keys()]));
    const api = await apiClient(`https://127.0.0.1:${String(forPeople.port)}`);
    await api.ok("POST", "/setup", { token: new URL(setupLink).hash.slice(1), ...ADMINISTRATOR });
    await api.ok("POST", "/session", ADMINISTRATOR);

    const { code } = await api.ok("POST", "/devices/enrolment-codes", {});
    const state = ["--state", bench.path("agent")];
    const url = `https://127.0.0.1:${String(forAgents.port)}`;
    const enrolled = await bench.ok([
      "agent",
      "enroll",
      "--service",
      url,
      "--code",
      String(code),
      "--json",
      ...state,
    ]);
    const { device }: { device?: unknown } = JSON.parse(enrolled.stdout.trim().split("\n").at(-1) ?? "{}");
    const agent = start(bench, ["agent", "run", ...state]);

    const key = { kind: "encryption-key", name: "key", value: PASSPHRASE, confirmation: PASSPHRASE };
    const secret = await api.ok("POST", "/secrets", key);
    const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
    const source = newSource(bench);
    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [device],
      paths: [source],
      storage: storage["id"],
      encryption: { method: "gcm", level: "high", secret: secret["id"] },
      bytesPerSecond: BYTES_PER_SECOND,
      retries: { count: 3, delaySeconds: 1 },
    });
    const company = { api, services, forAgents, bench, plan: String(plan["id"]), source };
    const complaints = (): string =>
      [agent, ...services.values()].map((one) => one.complaints().slice(-3000)).join("\n");

    const first = await beginBackup(company);
    const [held, ...others] = forAgents.backends();
    assert(held !== undefined && others.length === 0, "the agent has one connection");
    const victim = services.get(held);
    assert(victim !== undefined);
    await kill(victim.child);
    await until("the agent at another process", () =>
      forAgents.backends().some((port) => port !== held) ? true : undefined,
    );
    const task = await endedTask(api, first);
    assert.equal(task["state"], "succeeded", `${JSON.stringify(task["error"])}\n${complaints()}`);
    assert.equal(task["attempt"], 1, "the agent went on by itself");
    await checkCopies(company, 1);

    newSource(bench);
    const second = await beginBackup(company);
    await postgres.kill();
    await postgres.start();
    await whenBack(api);
    const again = await endedTask(api, second);
    assert.equal(again["state"], "succeeded", `${JSON.stringify(again["error"])}\n${complaints()}`);
    await checkCopies(company, 2);
    for (const [port, { child }] of services) {
      if (port !== held) assert.equal(child.exitCode, null, "the other processes live on");
    }
  });
});
