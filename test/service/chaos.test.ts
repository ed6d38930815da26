/**
 * Service, two agents and a storage server, one of them killed at a random moment in every round: no finished copy is lost, no task
 * stuck, no lease outlives its time, the audit chain is whole. The seed decides who is killed and when; a failure prints it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copy, type CopyView, LEASE_MS, pageOf, taskResults } from "@holdfast/protocol";
import { PLACES, type PlaceServer } from "../storages/places.ts";
import { type Scene, startScene } from "./scene.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? randomInt(2 ** 31));
/** The long variant can be cut into parts: rounds from one on, and how many. */
const FIRST = Number(process.env["CHAOS_FIRST"] ?? 0);
const ROUNDS = Number(process.env["CHAOS_ROUNDS"] ?? (process.env["SLOW"] === "1" ? 200 : 4));
/** All that was finished is looked at after so many rounds, and at the end. */
const ROUNDS_BETWEEN_LOOKS = 25;
/** What is stuck stays so: a machine that is busy needs long. */
const STUCK_MS = 5 * 60_000;
const PASSPHRASE = "correct horse battery staple";
const LONGEST_WAIT_MS = 2500;
const FILE_BYTES = 3_000_000;
const NAMES = ["one", "two"] as const;
const VICTIMS = ["service", "one", "two", "storage"] as const;

/** Numbers of a round, from 0 to below 1: the same for the same seed. */
function chance(round: number, what: string): number {
  const text = `${String(SEED)}/${String(round)}/${what}`;
  return createHash("sha256").update(text).digest().readUInt32LE() / 2 ** 32;
}

interface World {
  readonly scene: Scene;
  readonly server: PlaceServer;
  readonly plan: string;
  readonly source: string;
}

async function buildWorld(scene: Scene, server: PlaceServer): Promise<World> {
  const { api, bench } = scene;
  const source = bench.path("source");
  mkdirSync(source);
  for (let number = 0; number < 10; number += 1) change(source, number);
  const devices = [];
  for (const name of NAMES) devices.push(await scene.addAgent(name));
  const secret = await api.ok("POST", "/secrets", {
    kind: "encryption-key",
    name: "key",
    value: PASSPHRASE,
    confirmation: PASSPHRASE,
  });
  const storage = await api.ok("POST", "/storages", {
    name: "server",
    location: server.door.url("repositories", server.door.port),
    identity: server.credentials,
  });
  const plan = await api.ok("POST", "/plans", {
    name: "all day",
    devices,
    paths: [source],
    storage: storage["id"],
    encryption: { method: "gcm", level: "high", secret: secret["id"] },
    retries: { count: 10, delaySeconds: 1 },
  });
  return { scene, server, plan: String(plan["id"]), source };
}

/** Something new to back up. */
function change(source: string, number: number): void {
  writeFileSync(join(source, String(number % 10)), randomBytes(FILE_BYTES));
}

async function playRound({ scene, server, plan, source }: World, round: number): Promise<void> {
  const { api } = scene;
  change(source, round);
  const { tasks } = await api.ok("POST", `/plans/${plan}/run`, {});
  assert(Array.isArray(tasks) && tasks.length === NAMES.length);
  await sleep(chance(round, "when") * LONGEST_WAIT_MS);
  const victim = VICTIMS[Math.floor(chance(round, "who") * VICTIMS.length)] ?? "service";
  if (victim === "service") {
    await scene.killService();
    await scene.restartService();
  } else if (victim === "storage") {
    await server.kill();
    await server.start();
  } else {
    await scene.killAgent(victim);
    scene.restartAgent(victim);
  }
  for (const task of tasks) {
    const { state, error } = await scene.ended(task, STUCK_MS);
    assert.equal(state, "succeeded", `${victim}: ${JSON.stringify(error)}\n${scene.complaints()}`);
  }
}

async function allCopies({ scene: { api }, plan }: World): Promise<readonly CopyView[]> {
  const copies: CopyView[] = [];
  for (let cursor = ""; ; ) {
    const { items, next } = pageOf(copy).parse(
      await api.ok("GET", `/copies?plan=${plan}&limit=200${cursor}`),
    );
    copies.push(...items);
    if (next === undefined) return copies;
    cursor = `&cursor=${next}`;
  }
}

/** Every copy that was ever reported is there and restores; what the database says is right. */
async function checkInvariants(world: World, rounds: number): Promise<void> {
  const { scene, source } = world;
  const { api, bench, ended } = scene;
  const copies = await allCopies(world);
  assert.equal(copies.length, rounds * NAMES.length);
  const [newest] = copies;
  assert(newest !== undefined);
  const { task } = await api.ok("POST", `/repositories/${newest.repository}/verify`, { readData: true });
  const verified = await ended(task, STUCK_MS);
  assert.equal(verified["state"], "succeeded", JSON.stringify(verified["error"]));
  assert.equal(taskResults.verify.parse(verified["result"]).damagedCount, 0);
  const target = bench.path("restored");
  rmSync(target, { recursive: true, force: true });
  const { task: restore } = await api.ok("POST", `/copies/${newest.id}/restore`, { target });
  assert.equal((await ended(restore, STUCK_MS))["state"], "succeeded");
  execFileSync("diff", ["-r", source, join(target, source)]);
  await checkStored(world, copies);
  const open = await api.ok("GET", "/tasks?state=queued,running");
  assert.deepEqual(open["items"], []);
  await checkAudit(scene);
  checkDatabase(bench.path("service", "holdfast.sqlite"));
}

async function checkStored({ scene }: World, copies: readonly CopyView[]): Promise<void> {
  const { api, ended } = scene;
  const { task } = await api.ok("POST", `/repositories/${copies[0]?.repository ?? ""}/copies`, {});
  const { result } = await ended(task, STUCK_MS);
  const stored = new Set(taskResults.copies.parse(result).copies.map(({ id }) => id));
  for (const { id } of copies) assert(stored.has(id), `the copy ${id} is lost`);
}

async function checkAudit({ api }: Scene): Promise<void> {
  assert.equal((await api.ok("GET", "/audit/verification"))["problem"], undefined, "the audit chain");
}

/** What no row may be, once everything has ended. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  "a task is stuck": "SELECT id FROM tasks WHERE state IN ('queued', 'running') OR ended_at IS NULL",
  "a run is stuck": "SELECT id FROM runs WHERE ended_at IS NULL",
  "a lease outlives its run":
    "SELECT leases.id FROM leases JOIN runs ON runs.id = leases.run_id WHERE leases.ended_at IS NULL AND runs.ended_at IS NOT NULL",
  "a lease outlives its time": "SELECT id FROM leases WHERE ended_at > until + 120000",
  "a lease has too long a time": `SELECT id FROM leases WHERE until > ended_at + ${String(LEASE_MS)}`,
  "a lease is not in the audit":
    "SELECT id FROM leases WHERE NOT EXISTS (SELECT 1 FROM audit_rows WHERE action = 'lease.give' AND details LIKE '%' || leases.id || '%')",
};

function checkDatabase(path: string): void {
  using database = new DatabaseSync(path, { readOnly: true });
  for (const [what, query] of Object.entries(FORBIDDEN))
    assert.deepEqual(database.prepare(query).all(), [], what);
}

/** What each of them must notice: the test of the invariants. A change of one row, and what is then said. */
const DEFECTS: readonly (readonly [keyof typeof FORBIDDEN, string])[] = [
  ["a task is stuck", "UPDATE tasks SET state = 'running'"],
  ["a task is stuck", "UPDATE tasks SET state = 'queued'"],
  ["a task is stuck", "UPDATE tasks SET ended_at = NULL"],
  ["a run is stuck", "UPDATE runs SET ended_at = NULL"],
  ["a lease outlives its run", "UPDATE leases SET ended_at = NULL"],
  ["a lease outlives its time", "UPDATE leases SET ended_at = until + 120001"],
  ["a lease has too long a time", `UPDATE leases SET until = ended_at + ${String(LEASE_MS + 1)}`],
  ["a lease is not in the audit", "UPDATE leases SET id = 'lease_of_nobody'"],
];

/** Every defect that the invariants are about, in a copy of the database, and then in what is really there. */
async function plantDefects(world: World): Promise<void> {
  const { scene, server } = world;
  const live = scene.bench.path("service", "holdfast.sqlite");
  for (const [index, [what, update]] of DEFECTS.entries()) {
    const copied = scene.bench.path(`planted-${String(index)}.sqlite`);
    {
      using database = new DatabaseSync(live, { readOnly: true });
      database.prepare("VACUUM INTO ?").run(copied);
    }
    {
      using database = new DatabaseSync(copied, { enableForeignKeyConstraints: false });
      dropTriggers(database);
      const table = update.split(" ")[1] ?? "";
      const where = `rowid = (SELECT rowid FROM ${table} ORDER BY rowid DESC LIMIT 1)`;
      assert.equal(database.prepare(`${update} WHERE ${where}`).run().changes, 1);
    }
    assert.throws(() => checkDatabase(copied), new RegExp(`^AssertionError.*${what}`, "u"), update);
  }
  const copies = await allCopies(world);
  const location = new URL(server.door.url("repositories", server.door.port)).pathname;
  const manifest = join("copies", copies.at(-1)?.id ?? "");
  const found = readdirSync(location, { recursive: true, encoding: "utf8" }).find((name) =>
    name.endsWith(manifest),
  );
  assert(found !== undefined, "the oldest copy");
  rmSync(join(location, found));
  await assert.rejects(checkStored(world, copies), /is lost/u);
  {
    using database = new DatabaseSync(live);
    dropTriggers(database);
    const row = "number = (SELECT number / 2 + 1 FROM audit_rows ORDER BY number DESC LIMIT 1)";
    assert.equal(database.prepare(`UPDATE audit_rows SET details = '{}' WHERE ${row}`).run().changes, 1);
  }
  await assert.rejects(checkAudit(scene), /the audit chain/u);
}

/** They hold what must never change. */
function dropTriggers(database: DatabaseSync): void {
  for (const row of database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all())
    database.exec(`DROP TRIGGER ${String(row["name"])}`);
}

suite("with something killed in every round", () => {
  const place = PLACES.find(({ name }) => name === "SFTP") ?? PLACES[0];
  const skip = place?.skip ?? "no storage server is known";
  test("everything that was finished stays, and everything begun ends", {
    skip,
    timeout: ROUNDS * 120_000 + 600_000,
  }, async (context) => {
    assert(place !== undefined);
    await using server = await place.start();
    const world = await buildWorld(await startScene(context, ["--no-worker"]), server);
    for (let played = 1; played <= ROUNDS; played += 1) {
      const round = FIRST + played - 1;
      try {
        await playRound(world, round);
        if (played % ROUNDS_BETWEEN_LOOKS === 0 || played === ROUNDS) await checkInvariants(world, played);
      } catch (error) {
        throw new Error(`round ${String(round)} with CHAOS_SEED=${String(SEED)}`, { cause: error });
      }
    }
    await plantDefects(world);
    context.diagnostic(`seed ${String(SEED)}, ${String(ROUNDS)} rounds from ${String(FIRST)}`);
  });
});
