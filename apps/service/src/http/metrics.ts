/**
 * `/metrics`: requests of this process, and what the database says of tasks, devices, plans and copies. For who has the right
 * `service.operate`: a scraper sends an API token with that scope.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { TASK_STATES } from "@holdfast/protocol";
import type { Database, Db } from "../database/database.ts";
import { createHistogram, type Labels, type MetricFamily } from "./exposition.ts";

const REQUEST_SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10];
/** A device that was silent for longer is not online. */
const ONLINE_MS = 60_000;

export interface RequestMetrics {
  readonly observe: (method: string, route: string, status: number, milliseconds: number) => void;
  readonly collect: () => readonly MetricFamily[];
}

export function createRequestMetrics(version: string): RequestMetrics {
  const seconds = createHistogram(
    "holdfast_http_request_seconds",
    "How long requests took.",
    REQUEST_SECONDS,
  );
  return {
    observe: (method, route, status, milliseconds) => {
      // Classes of statuses: a route that refuses should not make a series for each way it does.
      const labels = { method, route, status: `${String(Math.floor(status / 100))}xx` };
      seconds.observe(labels, milliseconds / 1000);
    },
    collect: () => [
      gauge("holdfast_build_info", "Version of the service.", [{ labels: { version }, value: 1 }]),
      gauge("process_resident_memory_bytes", "Memory of this process.", [
        { value: process.memoryUsage.rss() },
      ]),
      {
        name: "process_cpu_seconds_total",
        help: "Time on processors that this process has used.",
        type: "counter",
        samples: [{ value: (process.cpuUsage().user + process.cpuUsage().system) / 1e6 }],
      },
      gauge("process_start_time_seconds", "When this process started, since 1970.", [
        { value: Math.floor(Date.now() / 1000 - process.uptime()) },
      ]),
      seconds.collect(),
    ],
  };
}

/** What counts the whole history is so old at most. */
const REMEMBERED_MS = 60_000;

export interface DatabaseMetrics {
  readonly collect: () => Promise<readonly MetricFamily[]>;
}

export function createDatabaseMetrics({ db }: Database, clock: Pick<Clock, "now">): DatabaseMetrics {
  const history = remembered(clock, async () => [
    gauge("holdfast_tasks", "Tasks by state, a minute old at most.", await tasksByState(db)),
    ...(await copies(db)),
  ]);
  return {
    collect: async () => [
      ...(await history()),
      ...(await queue(db, clock.now())),
      gauge("holdfast_devices", "Devices by whether they are connected.", await devices(db, clock.now())),
      gauge(
        "holdfast_plan_last_success_timestamp_seconds",
        "End of the last backup of a plan and device that succeeded, since 1970; those that are the longest ago.",
        await lastSuccesses(db),
      ),
    ],
  };
}

/** Looks that come at the same time share one. */
function remembered<T>(clock: Pick<Clock, "now">, look: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly value: Promise<T> } | undefined;
  return async () => {
    const now = clock.now();
    if (last !== undefined && Math.abs(now - last.at) < REMEMBERED_MS) return last.value;
    const value = look();
    last = { at: now, value };
    value.catch(() => {
      last = undefined;
    });
    return value;
  };
}

async function queue(db: Db, now: number): Promise<readonly MetricFamily[]> {
  const row = await db
    .selectFrom("tasks")
    .select(({ fn }) => [fn.countAll<number>().as("count"), fn.min<number | null>("not_before").as("oldest")])
    .where("state", "=", "queued")
    .where("not_before", "<=", now)
    .executeTakeFirstOrThrow();
  const age = row.oldest === null ? 0 : (now - row.oldest) / 1000;
  return [
    gauge("holdfast_queue_tasks", "Tasks that could be given out now.", [{ value: row.count }]),
    gauge("holdfast_queue_oldest_seconds", "How long the first of them has waited.", [{ value: age }]),
  ];
}

type Samples = MetricFamily["samples"];

function gauge(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: "gauge", samples };
}

/** Index entries that are counted at once: those of a year would keep everybody else from SQLite for a fifth of a second. */
const COUNTED_TOGETHER = 20_000;

async function tasksByState(db: Db): Promise<Samples> {
  const samples: { labels: Labels; value: number }[] = [];
  for (const state of TASK_STATES.toSorted()) {
    const value = await countTasks(db, state);
    if (value > 0) samples.push({ labels: { state }, value });
  }
  return samples;
}

async function countTasks(db: Db, state: (typeof TASK_STATES)[number]): Promise<number> {
  let total = 0;
  let after = "";
  for (;;) {
    const piece = db
      .selectFrom("tasks")
      .select("id")
      .where("state", "=", state)
      .where("id", ">", after)
      .orderBy("id")
      .limit(COUNTED_TOGETHER);
    const { count, last } = await db
      .selectFrom(piece.as("piece"))
      .select(({ fn }) => [fn.countAll<number>().as("count"), fn.max<string | null>("id").as("last")])
      .executeTakeFirstOrThrow();
    total += count;
    if (last === null || count < COUNTED_TOGETHER) return total;
    after = last;
  }
}

async function devices(db: Db, now: number): Promise<Samples> {
  const rows = await db.selectFrom("devices").select(["disabled", "process_id", "seen_at"]).execute();
  const count = { online: 0, offline: 0, disabled: 0 };
  for (const { disabled, process_id: process, seen_at: seen } of rows) {
    const online = process !== null && seen !== null && seen > now - ONLINE_MS;
    count[disabled === 1 ? "disabled" : online ? "online" : "offline"] += 1;
  }
  return Object.entries(count).map(([state, value]) => ({ labels: { state }, value }));
}

/** A monitoring system should not keep a series for each of ten thousand plans: who is late is among these. */
const PLANS_MAX = 1000;

async function lastSuccesses(db: Db): Promise<Samples> {
  const rows = await db
    .selectFrom("plan_devices")
    .innerJoin("plans", "plans.id", "plan_devices.plan_id")
    .select(["plans.name", "plan_devices.device_id", "plan_devices.last_success_at"])
    .where("plan_devices.last_success_at", "is not", null)
    .orderBy("plan_devices.last_success_at")
    .limit(PLANS_MAX)
    .execute();
  return rows
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, device_id: device, last_success_at: ended }) => ({
      labels: { plan: name, device } satisfies Labels,
      value: (ended ?? 0) / 1000,
    }));
}

async function copies(db: Db): Promise<readonly MetricFamily[]> {
  // By repository, as an index has them that holds both.
  const rows = await db
    .selectFrom("copies")
    .select(({ fn }) => [fn.countAll<number>().as("count"), fn.sum<number | null>("stored").as("stored")])
    .where("forgotten_at", "is", null)
    .groupBy("repository_id")
    .execute();
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  const stored = rows.reduce((sum, row) => sum + (row.stored ?? 0), 0);
  return [
    gauge("holdfast_copies", "Copies in the catalogue, a minute old at most.", [{ value: count }]),
    gauge("holdfast_copies_stored_bytes", "What copies have added to storages.", [{ value: stored }]),
  ];
}
