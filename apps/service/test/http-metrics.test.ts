import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { createHistogram, formatMetrics } from "../src/http/exposition.ts";
import { forEachDatabase } from "./databases.ts";
import { startTestServer, type TestServer } from "./http-fixture.ts";

suite("exposition of metrics", () => {
  test("escapes labels and help, and has buckets that include the smaller ones", () => {
    const histogram = createHistogram("seconds", 'a\\b "c"\nd', [1, 5]);
    for (const value of [0.5, 1, 3, 9]) histogram.observe({ path: 'x"y\\z\n' }, value);
    const label = 'path="x\\"y\\\\z\\n"';
    assert.equal(
      formatMetrics([histogram.collect(), { name: "empty", help: "", type: "gauge", samples: [] }]),
      [
        '# HELP seconds a\\\\b "c"\\nd',
        "# TYPE seconds histogram",
        `seconds_bucket{${label},le="1"} 2`,
        `seconds_bucket{${label},le="5"} 3`,
        `seconds_bucket{${label},le="+Inf"} 4`,
        `seconds_sum{${label}} 13.5`,
        `seconds_count{${label}} 4`,
        "",
      ].join("\n"),
    );
  });
});

async function insertTask(
  database: Database,
  id: string,
  state: "failed" | "succeeded",
  ended: number,
): Promise<void> {
  await database.db
    .insertInto("tasks")
    .values({
      id,
      kind: "backup",
      state,
      plan_id: "plan",
      device_id: "dev",
      input: "{}",
      created_at: 1,
      created_by: "",
      not_before: 1,
      ended_at: ended,
      attempt: 1,
      attempt_max: 1,
    })
    .execute();
}

async function insertPlan({ db }: Database): Promise<void> {
  const made = { created_at: 1, created_by: "", revision: 1 };
  await db
    .insertInto("devices")
    .values({
      id: "dev",
      name: "dev",
      platform: "{}",
      methods: "[]",
      version: "",
      worker: 0,
      disabled: 0,
      certificate_serial: "1",
      certificate_expires_at: 1,
      ...made,
    })
    .execute();
  await db
    .insertInto("storages")
    .values({
      id: "sto",
      name: "sto",
      description: "",
      location: "/",
      identity: "{}",
      secrets: "{}",
      ...made,
    })
    .execute();
  const repository = "a".repeat(32);
  await db
    .insertInto("repositories")
    .values({ id: repository, storage_id: "sto", folder: "", suite: 0, prepared: "[]", created_at: 1 })
    .execute();
  await db
    .insertInto("plans")
    .values({
      id: "plan",
      name: "Nightly",
      description: "",
      selection: "{}",
      storage_id: "sto",
      repository_id: repository,
      retries: "{}",
      enabled: 1,
      ...made,
    })
    .execute();
  await db
    .insertInto("plan_devices")
    .values({ plan_id: "plan", device_id: "dev", added_at: 1, last_fired_at: 1, last_success_at: 7000 })
    .execute();
}

async function scrape(server: TestServer, as: string): Promise<string[]> {
  const headers = { cookie: `__Host-holdfast=${as}` };
  const response = await server.app.inject({ url: "/metrics", headers });
  assert.equal(response.statusCode, 200);
  assert.match(String(response.headers["content-type"]), /^text\/plain; version=0\.0\.4/u);
  return response.body.split("\n");
}

forEachDatabase("metrics", (open) => {
  test("count requests by route, tasks, and the last success of each plan", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token } = await server.person("root", "administrator");
    await insertPlan(database);
    await insertTask(database, "1", "succeeded", 5000);
    await insertTask(database, "2", "succeeded", 7000);
    await insertTask(database, "3", "failed", 9000);
    await server.send("GET", "/users/user_00000000000000000000000000", { as: token });
    const lines = await scrape(server, token);
    const count =
      'holdfast_http_request_seconds_count{method="GET",route="/api/v1/users/:id",status="4xx"} 1';
    for (const line of [
      count,
      'holdfast_tasks{state="succeeded"} 2',
      'holdfast_tasks{state="failed"} 1',
      'holdfast_devices{state="offline"} 1',
      'holdfast_plan_last_success_timestamp_seconds{plan="Nightly",device="dev"} 7',
      "holdfast_copies 0",
      "holdfast_copies_stored_bytes 0",
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  test("count more tasks than at once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token } = await server.person("root", "administrator");
    await insertPlan(database);
    await insertTask(database, "task_1", "succeeded", 5000);
    await sql`
      with recursive numbers (number) as (select 100001 union all select number + 1 from numbers where number < 120500)
      insert into tasks (id, kind, state, plan_id, device_id, input, created_at, created_by, not_before, ended_at, attempt, attempt_max)
      select 'task_' || number, kind, state, plan_id, device_id, input, created_at, created_by, not_before, ended_at, attempt, attempt_max
      from tasks, numbers where id = 'task_1'`.execute(database.db);
    const lines = await scrape(server, token);
    assert.ok(lines.includes('holdfast_tasks{state="succeeded"} 20501'), lines.join("\n"));
    assert.ok(!lines.some((line) => line.startsWith('holdfast_tasks{state="failed"}')));
  });

  test("are for who operates the service", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token } = await server.person("vic", "viewer");
    const { token: root } = await server.person("root", "administrator");
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await server.app.inject({ url: "/metrics", headers })).statusCode;
    assert.equal(await statusOf({}), 401);
    assert.equal(await statusOf({ cookie: `__Host-holdfast=${token}` }), 403);
    const body = { name: "scraper", scopes: ["service.operate"], expiresAt: null };
    const made = await server.send("POST", "/tokens", { as: root, body });
    assert.equal(await statusOf({ authorization: `Bearer ${made.body.token}` }), 200);
  });
});
