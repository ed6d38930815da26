/**
 * The plans of the queries that a long history could make slow: as SQLite says them, which depends on indexes and not on time. It has no
 * statistics of its tables, here as in the service.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { type CompiledQuery, type KyselyPlugin, sql } from "kysely";
import { listAudit } from "../src/audit/audit-list.ts";
import { listCopies } from "../src/copies/copy-rows.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { listDevices } from "../src/devices/device-rows.ts";
import { OLD_ROWS } from "../src/housekeeping/old-rows.ts";
import { createDatabaseMetrics } from "../src/http/metrics.ts";
import { planDecision } from "../src/operations/retention.ts";
import { listPlans } from "../src/plans/plan-list.ts";
import { runDuePlans } from "../src/plans/plan-runs.ts";
import { giveOutTo } from "../src/tasks/give-out.ts";
import { devicesWithTasks } from "../src/tasks/waiting-tasks.ts";
import { giveLease, renewLeases } from "../src/tasks/leases.ts";
import { endLostRuns } from "../src/tasks/lost-runs.ts";
import { cancelledRuns } from "../src/tasks/reconcile.ts";
import { cancelTasksOfPlan, cancelTasksWithSecret } from "../src/tasks/revocation.ts";
import { listTaskEvents, listTasks } from "../src/tasks/task-list.ts";

/** Those that grow with the history, or with what is backed up. */
const BIG = [
  "tasks",
  "runs",
  "run_events",
  "leases",
  "secret_exposures",
  "copies",
  "audit_rows",
  "idempotency_keys",
];

interface Seen {
  readonly query: CompiledQuery;
  readonly plan: readonly string[];
}

/** What `work` asks the database, with the plan of each query. */
async function plansOf(work: (database: Database) => Promise<unknown>): Promise<Seen[]> {
  await using database = await openDatabase(":memory:");
  const queries: CompiledQuery[] = [];
  const nodes: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      queries.push(database.db.getExecutor().compileQuery(node, queryId));
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  const watched: Database = {
    ...database,
    db: database.db.withPlugin(nodes),
    transaction: (run) => database.transaction((transaction) => run(transaction.withPlugin(nodes))),
  };
  await work(watched);
  assert.ok(queries.length > 0, "nothing was asked");
  const seen: Seen[] = [];
  for (const query of queries) {
    const explained = { ...query, sql: `explain query plan ${query.sql}` };
    const { rows } = await database.db.executeQuery<{ detail: string }>(explained);
    seen.push({ query, plan: rows.map(({ detail }) => detail) });
  }
  return seen;
}

const SCAN = /^SCAN (?<table>\w+)(?: USING (?:COVERING )?INDEX (?<index>\w+))?/u;

/**
 * A page may be read along an index, and the index of active runs is short.
 *
 * @param sorts what is sorted on purpose, because it is short.
 * @param whole what is counted on purpose.
 */
function check(seen: readonly Seen[], sorts = false, whole: readonly string[] = []): void {
  for (const { query, plan } of seen) {
    const text = `${query.sql}\n  ${plan.join("\n  ")}`;
    for (const step of plan) {
      const { table = "", index } = SCAN.exec(step)?.groups ?? {};
      const isShort = index === "runs_one_at_a_time" || (index !== undefined && /\blimit\b/u.test(query.sql));
      assert.ok(!BIG.includes(table) || isShort || whole.includes(table), `reads all of ${table}: ${text}`);
      if (!sorts) assert.ok(!step.includes("TEMP B-TREE"), `sorts: ${text}`);
      assert.ok(!step.includes("AUTOMATIC"), `makes an index for itself: ${text}`);
    }
  }
}

const TASK = "task_00000000000000000000000000";
const PLAN = "plan_00000000000000000000000000";
const DEVICE = "dev_00000000000000000000000000";
const STORAGE = "sto_00000000000000000000000000";
const REPOSITORY = "0a".repeat(16);

function cursor(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}

suite("plans of the queries of lists", () => {
  const all = { limit: 50 };
  const filters = [
    all,
    { ...all, cursor: cursor(TASK) },
    { ...all, state: ["failed" as const] },
    { ...all, state: ["succeeded" as const, "failed" as const], cursor: cursor(TASK) },
    { ...all, plan: PLAN },
    { ...all, device: DEVICE },
    { ...all, kind: "verify" },
    { ...all, plan: PLAN, device: DEVICE, kind: "backup", state: ["failed" as const] },
    { ...all, device: DEVICE, kind: "backup", cursor: cursor(TASK) },
  ];
  for (const query of filters)
    test(`tasks: ${Object.keys(query).join(", ")}`, async () => {
      check(await plansOf(({ db }) => listTasks(db, query)));
    });

  test("tasks of one kind and state come from the index of both", async () => {
    const seen = await plansOf(({ db }) => listTasks(db, { ...all, kind: "verify", state: ["failed"] }));
    assert.ok(seen[0]?.plan.some((step) => step.includes("kind=? AND state=?")));
  });

  const after = cursor(`1 ${"c".repeat(64)} ${REPOSITORY}`);
  const copies = [
    all,
    { ...all, cursor: after },
    { ...all, plan: PLAN, cursor: after },
    { ...all, device: DEVICE },
    { ...all, repository: REPOSITORY, cursor: after },
  ];
  for (const query of copies)
    test(`copies: ${Object.keys(query).join(", ")}`, async () => {
      check(await plansOf(({ db }) => listCopies(db, query)));
    });

  test("copies of a storage, by each of its repositories", async () => {
    const seen = await plansOf(async ({ db }) => {
      const made = { created_at: 1, created_by: "", revision: 1 };
      await db
        .insertInto("storages")
        .values({
          id: STORAGE,
          name: "shelf",
          description: "",
          location: "/",
          identity: "{}",
          secrets: "{}",
          ...made,
        })
        .execute();
      await db
        .insertInto("repositories")
        .values({ id: REPOSITORY, storage_id: STORAGE, folder: "", suite: 0, prepared: "[]", created_at: 1 })
        .execute();
      await listCopies(db, { ...all, storage: STORAGE });
    });
    assert.ok(seen.some(({ plan }) => plan.some((step) => step.includes("copies_present"))));
    check(seen);
  });

  test("plans, devices, the audit log, and events of a task", async () => {
    check(await plansOf(({ db }) => listPlans(db, { ...all, cursor: cursor("a") })));
    check(await plansOf(({ db }) => listDevices(db, systemClock, all)));
    check(await plansOf(({ db }) => listAudit(db, { ...all, actorKind: "user", actor: "x" })));
    check(await plansOf(({ db }) => listAudit(db, { ...all, subjectKind: "run", subject: "x" })));
    check(await plansOf(({ db }) => listAudit(db, { ...all, action: "plan.run" })));
    check(
      await plansOf(async (database) => {
        await insertAuditRow(database, "lease.give");
        await listAudit(database.db, { ...all, action: "lease." });
      }),
    );
    check(await plansOf(({ db }) => listTaskEvents(db, TASK, all).catch(() => undefined)));
  });
});

async function insertAuditRow({ db }: Database, action: string): Promise<void> {
  const hash = Buffer.alloc(32);
  const who = { actor_kind: "device" as const, actor_id: "x", subject_kind: "run", subject_id: "x" };
  await db
    .insertInto("audit_rows")
    .values({ number: 1, at: 1, action, details: "{}", hash, ...who })
    .execute();
}

suite("plans of the queries of the service's own work", () => {
  const ports = { clock: systemClock, randomness: systemRandomness };
  const unused = (): never => assert.fail("nothing is there to be done");
  const kinds = { describe: unused, grant: unused, ended: unused };

  test("giving out, lost runs and cancelled ones", async () => {
    const dependencies = (database: Database) => ({
      ...ports,
      database,
      kinds,
      processId: "proc",
      failed: unused,
    });
    check(await plansOf((database) => devicesWithTasks(dependencies(database), new Set([DEVICE]))));
    // What waits for one device is sorted by its age.
    check(await plansOf((database) => giveOutTo(dependencies(database), [DEVICE])), true);
    check(await plansOf((database) => endLostRuns(dependencies(database))));
    check(await plansOf(({ db }) => cancelledRuns(db, new Set([DEVICE]))));
  });

  test("leases", async () => {
    const audit = { append: unused };
    const key = Buffer.alloc(1216);
    check(
      await plansOf((database) =>
        giveLease({ ...ports, database, kinds, audit }, DEVICE, "run", key).catch(() => undefined),
      ),
    );
    check(await plansOf((database) => renewLeases({ ...ports, database }, DEVICE)));
    const before = sql`select run_id from leases where (run_id = ${"x"} or public_key_hash = ${"y"})`;
    check(await plansOf(({ db }) => before.execute(db)));
  });

  test("revocation", async () => {
    const queue = { requestCancel: unused };
    check(
      await plansOf(({ transaction }) =>
        transaction((open) => cancelTasksWithSecret(queue, open, "sec", "why")),
      ),
      true,
    );
    check(
      await plansOf(({ transaction }) => transaction((open) => cancelTasksOfPlan(queue, open, PLAN, "why"))),
    );
  });

  test("schedules, retention, metrics", async () => {
    const queue = { create: unused, requestCancel: unused };
    const audit = { append: unused };
    check(await plansOf((database) => runDuePlans({ ...ports, database, queue, audit }, 0)));
    const inQuestion = { repositoryId: REPOSITORY, planId: PLAN, deviceId: DEVICE };
    const decision = await plansOf(({ db }) => planDecision(db, systemClock, {}, inQuestion));
    check(decision);
    // Not by one of the columns: a repository has the copies of all plans.
    assert.ok(decision.some(({ plan }) => plan.some((step) => step.includes("copies_plan_device"))));
    // All is counted, once a minute. The plans with the oldest successes are sorted; there are not so many plans.
    check(await plansOf((database) => createDatabaseMetrics(database, systemClock).collect()), true, [
      "tasks",
      "copies",
    ]);
  });

  for (const [kind, deleteSome] of Object.entries(OLD_ROWS))
    test(`housekeeping: ${kind}`, async () => {
      check(await plansOf((database) => deleteSome({ database, clock: systemClock })));
    });
});
