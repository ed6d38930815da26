/** Fills a database with history, as a service has it after a year: rows that the schemas of the API accept, made by the database itself. */
import type { Database } from "../../apps/service/src/database/database.ts";
import { runStatements } from "../../apps/service/src/database/migrations/dialect.ts";
import { intervalMinutes, MANUAL_PLANS, type Scale } from "./scale.ts";

const YEAR_MS = 365 * 86_400_000;
const ROWS_AT_ONCE = 50_000;

export interface Templates {
  /** Whose rows the others are copies of. */
  readonly planId: string;
  readonly repositoryId: string;
  readonly storageId: string;
  readonly userId: string;
}

/** Dialects of what the statements need. */
interface Words {
  readonly series: (from: number, to: number) => string;
  readonly digits: (value: string, width: number) => string;
  readonly hex: (value: string, width: number) => string;
  readonly bytes: string;
}

const WORDS: Readonly<Record<Database["kind"], Words>> = {
  sqlite: {
    series: (from, to) =>
      `(WITH RECURSIVE s(i) AS (SELECT ${String(from)} UNION ALL SELECT i + 1 FROM s WHERE i < ${String(to)}) SELECT i FROM s)`,
    digits: (value, width) => `printf('%0${String(width)}d', ${value})`,
    hex: (value, width) => `printf('%0${String(width)}x', ${value})`,
    bytes: "zeroblob(32)",
  },
  postgres: {
    series: (from, to) => `(SELECT generate_series(${String(from)}::bigint, ${String(to)}::bigint) AS i)`,
    digits: (value, width) => `lpad((${value})::text, ${String(width)}, '0')`,
    hex: (value, width) => `lpad(to_hex((${value})::bigint), ${String(width)}, '0')`,
    bytes: `decode(repeat('00', 32), 'hex')`,
  },
};

export async function insertHistory(
  database: Database,
  scale: Scale,
  templates: Templates,
  say: (text: string) => void,
): Promise<void> {
  const words = WORDS[database.kind];
  const now = Date.now();
  await run(database, planStatement(words, scale, templates));
  say(`${String(scale.plans)} plans`);
  const statements = historyStatements(words, scale, templates, now);
  const firstAudit = await lastAuditNumber(database);
  for (const statement of [...statements, auditStatement(words, firstAudit, now)]) {
    for (let from = 1; from <= scale.tasks; from += ROWS_AT_ONCE) {
      await run(database, statement(from, Math.min(scale.tasks, from + ROWS_AT_ONCE - 1)));
    }
  }
  say(`${String(scale.tasks)} tasks`);
  await run(database, copyStatement(words, scale, templates, now));
  say(`${String(scale.copies)} copies`);
  // What autovacuum of PostgreSQL has done long before a history is a year old.
  if (database.kind === "postgres") await run(database, "ANALYZE");
}

async function run(database: Database, statement: string): Promise<void> {
  await runStatements(database.db, database.kind, [statement]);
}

async function lastAuditNumber({ db }: Database): Promise<number> {
  const row = await db
    .selectFrom("audit_rows")
    .select("number")
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.number ?? 0;
}

function planStatement({ series, digits }: Words, scale: Scale, { planId }: Templates): string {
  const minutes = String(intervalMinutes(scale));
  const all = scale.plans + MANUAL_PLANS + scale.burst;
  return `INSERT INTO plans (id, name, description, selection, storage_id, repository_id, method, level, secret_id, schedule,
      retention, retries, enabled, created_at, created_by, revision)
    SELECT 'plan_' || ${digits("n.i", 26)}, 'Plan ' || ${digits("n.i", 5)}, description, selection, storage_id, repository_id,
      method, level, secret_id,
      CASE WHEN n.i < ${String(scale.plans)} THEN
        '{"timeZone":"UTC","rules":[{"kind":"minutely","interval":${minutes},"startTime":"00:' || ${digits(`n.i % ${minutes}`, 2)} || '"}],"jitterSeconds":60}'
      END,
      retention, retries, enabled, created_at, created_by, 1
    FROM plans, ${series(0, all - 1)} n WHERE plans.id = '${planId}'`;
}

type Statement = (from: number, to: number) => string;

function historyStatements(
  words: Words,
  scale: Scale,
  templates: Templates,
  now: number,
): readonly Statement[] {
  const { series, digits, hex } = words;
  const { repositoryId, storageId, userId } = templates;
  const planNumber = `(n.i % ${String(scale.plans)})`;
  const plan = `'plan_' || ${digits(planNumber, 26)}`;
  const device = `'dev_' || ${digits(`${planNumber} % ${String(scale.agents)}`, 26)}`;
  const at = instant(scale, now);
  const state = `CASE WHEN n.i % 50 = 0 THEN 'failed' WHEN n.i % 97 = 0 THEN 'cancelled' WHEN n.i % 23 = 0 THEN 'warnings' ELSE 'succeeded' END`;
  const runState = `CASE WHEN n.i % 50 = 0 THEN 'failed' WHEN n.i % 97 = 0 THEN 'cancelled' ELSE 'succeeded' END`;
  const kind = `CASE WHEN n.i % 40 = 7 THEN 'verify' WHEN n.i % 200 = 3 THEN 'forget' ELSE 'backup' END`;
  const result = `'{"copy":{"id":"' || ${hex("n.i", 64)} || '","time":1,"host":"web","kind":"files","paths":["/home"],"tags":[],"size":1073741824,"files":20000},"filesNew":10,"filesChanged":20,"filesUnchanged":19970,"bytesRead":20000000,"bytesAdded":10000000,"bytesStored":5000000,"seconds":42,"warnings":0}'`;
  const id = (prefix: string): string => `'${prefix}_' || ${digits("n.i", 26)}`;
  return [
    (
      from,
      to,
    ) => `INSERT INTO tasks (id, kind, state, plan_id, device_id, storage_id, repository_id, input, result, error,
        created_at, created_by, not_before, started_at, ended_at, cancel_requested_at, attempt, attempt_max, run_id)
      SELECT ${id("task")}, ${kind}, ${state}, ${plan}, ${device}, '${storageId}', '${repositoryId}', '{}',
        CASE WHEN n.i % 50 <> 0 AND n.i % 97 <> 0 THEN ${result} END,
        CASE WHEN n.i % 50 = 0 THEN '{"code":"ERR_STORAGE_UNREACHABLE","message":"The storage does not answer."}' END,
        ${at}, CASE WHEN n.i % 10 = 0 THEN '${userId}' ELSE '' END, ${at}, ${at} + 200, ${at} + 42000, NULL, 1, 3, ${id("run")}
      FROM ${series(from, to)} n`,
    (
      from,
      to,
    ) => `INSERT INTO runs (id, task_id, device_id, state, given_at, started_at, ended_at, last_event, progress)
      SELECT ${id("run")}, ${id("task")}, ${device}, ${runState}, ${at} + 100, ${at} + 200, ${at} + 42000, 3, NULL
      FROM ${series(from, to)} n`,
    (from, to) => `INSERT INTO run_events (run_id, number, at, received_at, event)
      SELECT ${id("run")}, e.i, ${at} + 200 * e.i, ${at} + 210 * e.i,
        CASE e.i WHEN 1 THEN '{"kind":"started"}'
          WHEN 2 THEN '{"kind":"log","level":"info","text":"20000 files looked at, 30 of them new or changed."}'
          ELSE '{"kind":"succeeded","result":' || ${result} || '}' END
      FROM ${series(from, to)} n, ${series(1, 3)} e`,
    (from, to) => `INSERT INTO leases (id, run_id, device_id, public_key_hash, given_at, until, ended_at)
      SELECT ${id("lease")}, ${id("run")}, ${device}, ${hex("(n.i * 2654435761) % 4294967296", 32)} || ${hex("n.i", 32)}, ${at} + 150, ${at} + 900150, ${at} + 42000
      FROM ${series(from, to)} n`,
    (
      from,
      to,
    ) => `INSERT INTO secret_exposures (id, device_id, object_kind, object_id, version, run_id, lease_id, at)
      SELECT ${id("exp")}, ${device}, 'repository', '${repositoryId}', 1, ${id("run")}, ${id("lease")}, ${at} + 150
      FROM ${series(from, to)} n`,
  ];
}

/** Without a chain: nobody verifies this log. */
function auditStatement({ series, digits, bytes }: Words, first: number, now: number): Statement {
  return (
    from,
    to,
  ) => `INSERT INTO audit_rows (number, at, actor_kind, actor_id, action, subject_kind, subject_id, details, hash)
    SELECT ${String(first)} + n.i, ${String(now)}, CASE WHEN n.i % 20 = 0 THEN 'user' ELSE 'device' END,
      'dev_' || ${digits("n.i % 1000", 26)}, CASE WHEN n.i % 20 = 0 THEN 'plan.run' ELSE 'lease.give' END,
      'run', 'run_' || ${digits("n.i", 26)}, '{}', ${bytes}
    FROM ${series(from, to)} n`;
}

function copyStatement(words: Words, scale: Scale, { repositoryId }: Templates, now: number): string {
  const { series, digits, hex } = words;
  const plan = `(n.i % ${String(scale.plans)})`;
  // The last tasks are those that made them; some were forgotten since.
  const task = `n.i + ${String(scale.tasks - scale.copies)}`;
  return `INSERT INTO copies (id, repository_id, plan_id, device_id, task_id, time, host, kind, paths, tags, size, files, stored,
      forgotten_at)
    SELECT ${hex("(n.i * 2654435761) % 4294967296", 8)} || ${hex("n.i", 56)}, '${repositoryId}', 'plan_' || ${digits(plan, 26)},
      'dev_' || ${digits(`${plan} % ${String(scale.agents)}`, 26)}, 'task_' || ${digits(task, 26)},
      ${instant(scale, now, task)}, 'web', 'files', '["/home"]', '[]', 1073741824, 20000, 5000000,
      CASE WHEN n.i % 10 = 0 THEN ${String(now)} END
    FROM ${series(1, scale.copies)} n`;
}

/** Evenly over the last year, the last one now. */
function instant({ tasks }: Scale, now: number, index = "n.i"): string {
  return `(${String(now)} - (${String(tasks)} - (${index})) * ${String(Math.floor(YEAR_MS / tasks))})`;
}
