/**
 * `/metrics`: requests of this process, and what the database says of tasks, devices, plans and copies. For who has the right
 * `service.operate`: a scraper sends an API token with that scope.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
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

export async function collectFromDatabase(
  { db }: Database,
  clock: Pick<Clock, "now">,
): Promise<readonly MetricFamily[]> {
  return [
    gauge("holdfast_tasks", "Tasks by state.", await tasksByState(db)),
    gauge("holdfast_devices", "Devices by whether they are connected.", await devices(db, clock.now())),
    gauge(
      "holdfast_plan_last_success_timestamp_seconds",
      "End of the last backup of a plan and device that succeeded, since 1970.",
      await lastSuccesses(db),
    ),
    ...(await copies(db)),
  ];
}

type Samples = MetricFamily["samples"];

function gauge(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: "gauge", samples };
}

async function tasksByState(db: Db): Promise<Samples> {
  const rows = await db
    .selectFrom("tasks")
    .select(({ fn }) => ["state", fn.countAll<number>().as("count")])
    .groupBy("state")
    .orderBy("state")
    .execute();
  return rows.map(({ state, count }) => ({ labels: { state }, value: count }));
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

async function lastSuccesses(db: Db): Promise<Samples> {
  const rows = await db
    .selectFrom("plan_devices")
    .innerJoin("plans", "plans.id", "plan_devices.plan_id")
    .innerJoin("tasks", (join) =>
      join
        .onRef("tasks.plan_id", "=", "plan_devices.plan_id")
        .onRef("tasks.device_id", "=", "plan_devices.device_id"),
    )
    .select(({ fn }) => [
      "plans.name",
      "plan_devices.device_id",
      fn.max<number>("tasks.ended_at").as("ended"),
    ])
    .where("tasks.kind", "=", "backup")
    .where("tasks.state", "in", ["succeeded", "warnings"])
    .groupBy(["plans.name", "plan_devices.device_id"])
    .orderBy("plans.name")
    .execute();
  return rows.map(({ name, device_id: device, ended }) => ({
    labels: { plan: name, device } satisfies Labels,
    value: ended / 1000,
  }));
}

async function copies(db: Db): Promise<readonly MetricFamily[]> {
  const row = await db
    .selectFrom("copies")
    .select(({ fn }) => [fn.countAll<number>().as("count"), fn.sum<number | null>("stored").as("stored")])
    .where("forgotten_at", "is", null)
    .executeTakeFirstOrThrow();
  return [
    gauge("holdfast_copies", "Copies in the catalogue.", [{ value: row.count }]),
    gauge("holdfast_copies_stored_bytes", "What copies have added to storages.", [
      { value: row.stored ?? 0 },
    ]),
  ];
}
