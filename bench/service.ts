/**
 * Measures the management service at work: a real process with a year of history, a thousand agents and people who ask for things:
 * `npm run bench:service -- [--quick] [--postgres] [--agents N] [--plans N] [--copies N] [--tasks N] [--rate N] [--seconds N] [--dir FOLDER]`.
 * Writes a Markdown table to bench/results/.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { nextRun, type Schedule } from "@holdfast/scheduling";
import type { Database } from "../apps/service/src/database/database.ts";
import { openDatabase } from "../apps/service/src/database/open-database.ts";
import { startPostgres } from "../apps/service/test/postgres-server.ts";
import { type ApiClient, apiClient } from "../test/service/api-client.ts";
import { folder, repositoryRoot } from "./places.ts";
import { type Agents, type PlannedRun, startAgents } from "./service/agents.ts";
import { type Devices, insertDevices } from "./service/devices.ts";
import { renderRun, type Sample } from "./service/figures.ts";
import { insertHistory, type Templates } from "./service/history.ts";
import { fetchMetrics, runLoad, type Target } from "./service/load.ts";
import { insertPeople, type Person } from "./service/people.ts";
import { deviceId, FULL, intervalMinutes, MANUAL_PLANS, planId, QUICK, type Scale } from "./service/scale.ts";
import { type Places, type ServiceProcess, startServiceProcess } from "./service/service-process.ts";

const COUNTS = ["agents", "plans", "copies", "tasks", "rate", "seconds", "burst"] as const;
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    postgres: { type: "boolean", default: false },
    /** Options of Node for the service, such as `--cpu-prof`. */
    node: { type: "string", multiple: true, default: [] },
    dir: { type: "string", default: tmpdir() },
    seed: { type: "string", default: "holdfast" },
    agents: { type: "string" },
    plans: { type: "string" },
    copies: { type: "string" },
    tasks: { type: "string" },
    rate: { type: "string" },
    seconds: { type: "string" },
    burst: { type: "string" },
  },
});

const ADMINISTRATOR = { name: "ada", password: "an analytical engine" };
/** The rate of requests comes when the agents are connected and the process is warm. */
const WARM_UP_SECONDS = 5;
const SAMPLE_MS = 1000;
/** So long the service takes to start, or less. */
const START_MS = 5000;
const JITTER_SECONDS = 60;
const BURST_WAIT_MS = 30_000;

await main();

async function main(): Promise<void> {
  const scale = scaleOf();
  mkdirSync(values.dir, { recursive: true });
  const work = mkdtempSync(join(values.dir, "holdfast-bench-"));
  process.once("exit", () => rmSync(work, { recursive: true, force: true }));
  await using postgres = values.postgres ? await startPostgres() : undefined;
  await postgres?.administer("create database bench");
  const places: Places = {
    data: join(work, "data"),
    unlockFile: join(work, "keys", "unlock"),
    database: postgres?.url("bench") ?? `sqlite:${join(work, "data", "holdfast.sqlite")}`,
    log: join(work, "log"),
  };
  const started = performance.now();
  const filled = await fill(places, scale);
  const seedSeconds = (performance.now() - started) / 1000;
  const loadBefore = loadavg()[0] ?? 0;
  const planned = await planFirstRuns(places, scale);
  const service = await startServiceProcess(places, values.node);
  try {
    const measured = await measure(service, { ...filled, planned, scale, places });
    const run = {
      machine: machine(),
      database: values.postgres ? "PostgreSQL on the same machine, fsync off" : "SQLite",
      scale,
      loadBefore,
      loadAfter: loadavg()[0] ?? 0,
      seedSeconds,
      databaseBytes: values.postgres ? undefined : sizeOf(places.data),
      errors: readFileSync(places.log, "utf8").split('"level":"error"').length - 1,
      ...measured,
    };
    const text = renderRun(run);
    console.log(text);
    const stamp = new Date().toISOString().replaceAll(":", "");
    const file = join(folder(repositoryRoot, "bench/results"), `service-${stamp}`);
    if (!values.quick) writeFileSync(`${file}.md`, `${text}\n`);
    if (run.errors > 0) console.error(firstErrors(places.log));
  } finally {
    await service.stop();
  }
}

function scaleOf(): Scale {
  const scale: Record<string, number> = { ...(values.quick ? QUICK : FULL) };
  for (const name of COUNTS) {
    const { [name]: given } = values;
    if (given !== undefined) scale[name] = Number(given);
  }
  const { agents = 0, plans = 0, copies = 0, tasks = 0, rate = 0, seconds = 0, burst = 0 } = scale;
  return { agents, plans, copies, tasks, rate, seconds, burst };
}

interface Filled extends Devices {
  readonly people: readonly Person[];
}

/** A first start makes vault and tables, and what needs the vault; the rest goes straight into the tables. */
async function fill(places: Places, scale: Scale): Promise<Filled> {
  const service = await startServiceProcess(places);
  let templates: Templates;
  let devices: Devices;
  try {
    const api = await apiClient(service.url);
    await api.ok("POST", "/setup", { token: service.setupToken, ...ADMINISTRATOR });
    const { user } = await api.ok("POST", "/session", ADMINISTRATOR);
    await using database = await openDatabase(places.database);
    devices = await insertDevices(
      database,
      { path: places.unlockFile, dataFolder: places.data },
      scale.agents,
    );
    say(`${String(scale.agents)} devices`);
    templates = await makeTemplates(api, user);
  } finally {
    await service.stop();
  }
  await using database = await openDatabase(places.database);
  await insertHistory(database, scale, templates, say);
  return { ...devices, people: await insertPeople(database) };
}

async function makeTemplates(api: ApiClient, user: unknown): Promise<Templates> {
  const { id: secret } = await api.ok("POST", "/secrets", {
    kind: "encryption-key",
    name: "company",
    generate: true,
  });
  const { id: storage } = await api.ok("POST", "/storages", { name: "shelf", location: "/srv/backups" });
  const plan = await api.ok("POST", "/plans", {
    name: "Template",
    devices: [deviceId(0)],
    paths: ["/home", "/etc"],
    storage,
    encryption: { method: "gcm", level: "normal", secret },
    retention: { last: 100 },
  });
  const userId = typeof user === "object" && user !== null && "id" in user ? String(user.id) : "";
  return {
    planId: String(plan["id"]),
    repositoryId: String(plan["repository"]),
    storageId: String(storage),
    userId,
  };
}

/** As of a moment at which the service will be there: nothing is late when it starts. */
async function planFirstRuns(places: Places, scale: Scale): Promise<PlannedRun[]> {
  await using database = await openDatabase(places.database);
  const from = Date.now() + START_MS;
  const minutes = intervalMinutes(scale);
  const planned = Array.from({ length: scale.plans }, (_, index) => {
    const startTime = `00:${String(index % minutes).padStart(2, "0")}`;
    const schedule: Schedule = {
      timeZone: "UTC",
      rules: [{ kind: "minutely", interval: minutes, startTime }],
      jitterSeconds: JITTER_SECONDS,
    };
    return plannedRun(planId(index), deviceId(index % scale.agents), schedule, from);
  });
  const others = Array.from({ length: MANUAL_PLANS + scale.burst }, (_, index) => ({
    plan: planId(scale.plans + index),
    device: deviceId(index % scale.agents),
  }));
  const rows = [
    ...planned.map(({ plan, device, at, startAt }) => ({ plan, device, firedAt: at - 1, startAt })),
    ...others.map((other) => ({ ...other, firedAt: from, startAt: null })),
  ].map(({ plan, device, firedAt, startAt }) => ({
    plan_id: plan,
    device_id: device,
    added_at: from,
    last_fired_at: firedAt,
    next_start_at: startAt,
  }));
  await database.transaction(async (transaction) => {
    for (let start = 0; start < rows.length; start += 1000)
      await transaction
        .insertInto("plan_devices")
        .values(rows.slice(start, start + 1000))
        .execute();
  });
  return planned;
}

function plannedRun(plan: string, device: string, schedule: Schedule, from: number): PlannedRun {
  // Of runs whose time has come the start may still be ahead, as their starts are spread.
  let run = nextRun(schedule, { plan, device, lastFired: from - JITTER_SECONDS * 1000, now: from });
  if (run.startAt <= from) run = nextRun(schedule, { plan, device, lastFired: run.at, now: from });
  return { plan, device, schedule, at: run.at, startAt: run.startAt };
}

interface Stage extends Filled {
  readonly planned: readonly PlannedRun[];
  readonly scale: Scale;
  readonly places: Places;
}

async function measure(service: ServiceProcess, stage: Stage) {
  const { authority, devices, people, planned, scale } = stage;
  const { port } = new URL(service.url);
  const agents = await startAgents({ port: Number(port), authority, devices, planned });
  say("agents are connected");
  const target = { url: service.url, authority, people };
  try {
    await runLoad(target, { ...scale, rate: scale.rate / 4, seconds: WARM_UP_SECONDS }, "warm up");
    const samples: Sample[] = [];
    const sample = (): void => {
      const { residentBytes, cpuSeconds } = service;
      samples.push({
        seconds: performance.now() / 1000,
        residentBytes: residentBytes(),
        cpuSeconds: cpuSeconds(),
      });
    };
    sample();
    const timer = setInterval(sample, SAMPLE_MS);
    const load = await runLoad(target, scale, values.seed);
    clearInterval(timer);
    sample();
    await runBurst(stage, agents);
    return { load, samples, agents: await agents.report(), metrics: await readMetrics(target) };
  } finally {
    await agents.stop();
  }
}

/** Plans that all start at the same moment, without spreading. */
async function runBurst({ scale, places }: Stage, agents: Agents): Promise<void> {
  if (scale.burst === 0) return;
  const from = Date.now() + 5000;
  const minute = Math.ceil(from / 60_000) * 60_000;
  const time = new Date(minute).toISOString().slice(11, 16);
  const schedule: Schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: [time] }] };
  const planned = Array.from({ length: scale.burst }, (_, index) => {
    const plan = planId(scale.plans + MANUAL_PLANS + index);
    return plannedRun(plan, deviceId((MANUAL_PLANS + index) % scale.agents), schedule, from);
  });
  agents.plan(planned);
  await using database = await openDatabase(places.database);
  await schedulePlans(database, schedule, planned);
  await sleep(minute - Date.now() + BURST_WAIT_MS);
}

async function schedulePlans(
  database: Database,
  schedule: Schedule,
  planned: readonly PlannedRun[],
): Promise<void> {
  await database.transaction(async (transaction) => {
    for (const { plan, device, startAt, at } of planned) {
      await transaction
        .updateTable("plans")
        .set({ schedule: JSON.stringify(schedule) })
        .where("id", "=", plan)
        .execute();
      await transaction
        .updateTable("plan_devices")
        .set({ last_fired_at: at - 60_000, next_start_at: startAt })
        .where("plan_id", "=", plan)
        .where("device_id", "=", device)
        .execute();
    }
  });
}

async function readMetrics(target: Target): Promise<string[]> {
  return (await fetchMetrics(target))
    .split("\n")
    .filter((line) =>
      /^holdfast_(?:event_loop|schedule_lag|database_seconds_(?:sum|count)|queue)/u.test(line),
    )
    .filter((line) => !line.includes("_bucket"));
}

function firstErrors(log: string): string {
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.includes('"level":"error"'))
    .slice(0, 3)
    .join("\n")
    .slice(0, 3000);
}

function sizeOf(path: string): number {
  return readdirSync(path)
    .filter((name) => name.startsWith("holdfast.sqlite"))
    .reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

function machine(): string {
  const gibibytes = (totalmem() / 2 ** 30).toFixed(0);
  return `${String(cpus().length)} cores, ${cpus()[0]?.model ?? "unknown"}, ${gibibytes} GiB, Linux ${release()}, Node ${process.version}`;
}

function say(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}
