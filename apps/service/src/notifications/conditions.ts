/**
 * What nobody does and what yet is to be told: devices that fall silent, certificates and tokens that end, a vault or an audit log
 * that is not as it was written. Looked for now and then; each is told once.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { NotificationKind } from "@holdfast/protocol";
import { verifyAudit } from "../audit/verify-audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { OpenedVault } from "../secrets/vault-of-keys.ts";
import { verifyVault } from "../secrets/verify-vault.ts";
import { channelsFor, type NotableEvent, recordEvent } from "./events.ts";
import { readSettings } from "./settings.ts";
import { dayOf } from "./task-events.ts";

export interface ConditionDependencies {
  readonly database: Database;
  readonly vault: OpenedVault;
  readonly clock: Pick<Clock, "now">;
}

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
/** After a start devices have so long to come back. */
const SETTLING_MS = 10 * 60_000;

/** @param since when this process has been there. @returns how many are new. */
export async function raiseConditions(dependencies: ConditionDependencies, since: number): Promise<number> {
  const { database, clock } = dependencies;
  const settings = await readSettings(database.db);
  const now = clock.now();
  const found: NotableEvent[] = [];
  if (now - since >= SETTLING_MS && (await isWanted(database.db, "device.silent"))) {
    found.push(...(await silentDevices(database.db, now - settings.silentHours * HOUR_MS)));
  }
  const until = now + settings.expiryDays * DAY_MS;
  if (await isWanted(database.db, "certificate.expiring")) {
    found.push(...(await endingCertificates(database.db, until)));
  }
  if (await isWanted(database.db, "token.expiring"))
    found.push(...(await endingTokens(database.db, now, until)));
  return (await record(dependencies, found)) + (await verifyDaily(dependencies, now));
}

async function record(dependencies: ConditionDependencies, events: readonly NotableEvent[]): Promise<number> {
  let count = 0;
  for (const event of events) {
    const isNew = await dependencies.database.transaction((transaction) =>
      recordEvent(dependencies, transaction, event),
    );
    if (isNew) count += 1;
  }
  return count;
}

async function isWanted(db: Db, kind: NotificationKind): Promise<boolean> {
  return (await channelsFor(db, kind)).length > 0;
}

async function silentDevices(db: Db, before: number): Promise<NotableEvent[]> {
  const devices = await db
    .selectFrom("devices")
    .select(["id", "name", "seen_at", "created_at"])
    .where("disabled", "=", 0)
    .where((eb) => eb(eb.fn.coalesce("seen_at", "created_at"), "<", before))
    .execute();
  const events: NotableEvent[] = [];
  for (const { id, name, seen_at: seenAt, created_at: createdAt } of devices) {
    const last = seenAt ?? createdAt;
    events.push({
      kind: "device.silent",
      happening: `${id}:${String(last)}`,
      plans: await plansOf(db, id),
      details: { device: { id, name }, facts: [["Last heard of", timeOf(last)]] },
    });
  }
  return events;
}

async function endingCertificates(db: Db, until: number): Promise<NotableEvent[]> {
  const devices = await db
    .selectFrom("devices")
    .select(["id", "name", "certificate_expires_at as endsAt"])
    .where("disabled", "=", 0)
    .where("certificate_expires_at", "<", until)
    .execute();
  const events: NotableEvent[] = [];
  for (const { id, name, endsAt } of devices) {
    events.push({
      kind: "certificate.expiring",
      happening: `${id}:${String(endsAt)}`,
      plans: await plansOf(db, id),
      details: { device: { id, name }, facts: [["Ends", timeOf(endsAt)]] },
    });
  }
  return events;
}

async function endingTokens(db: Db, now: number, until: number): Promise<NotableEvent[]> {
  const tokens = await db
    .selectFrom("api_tokens")
    .innerJoin("users", "users.id", "api_tokens.user_id")
    .select(["api_tokens.id", "api_tokens.name", "users.name as user", "expires_at as endsAt"])
    .where("expires_at", ">", now)
    .where("expires_at", "<", until)
    .execute();
  return tokens.map(({ id, name, user, endsAt }) => ({
    kind: "token.expiring",
    happening: id,
    plans: [],
    details: {
      facts: [
        ["Token", name],
        ["Of", user],
        ["Ends", timeOf(endsAt ?? 0)],
      ],
    },
  }));
}

/** Vault and audit log are verified once a day, by one process, if somebody is to be told. @returns how many events are new. */
async function verifyDaily(dependencies: ConditionDependencies, now: number): Promise<number> {
  const { database, vault } = dependencies;
  const { db } = database;
  const looks: readonly Look[] = [
    {
      name: "vault",
      kind: "vault.problem",
      look: async () => {
        const { problems } = await verifyVault(db, vault);
        const [first] = problems;
        if (first === undefined) return [];
        return [problem("vault.problem", now, problems.length, `${first.subject}: ${first.reason}`)];
      },
    },
    {
      name: "audit",
      kind: "audit.problem",
      look: async () => {
        const found = await verifyAudit(db, vault.auditPublicKey);
        if (found.problem === undefined) return [];
        const { number, reason } = found.problem;
        return [problem("audit.problem", now, 1, `Row ${String(number)}: ${reason}`)];
      },
    },
  ];
  let count = 0;
  for (const { name, kind, look } of looks) {
    if (!(await isWanted(db, kind)) || !(await claimLook(db, name, now))) continue;
    count += await record(dependencies, await look());
    await db.updateTable("notification_looks").set({ at: now }).where("name", "=", name).execute();
  }
  return count;
}

interface Look {
  readonly name: string;
  readonly kind: NotificationKind;
  readonly look: () => Promise<readonly NotableEvent[]>;
}

function problem(kind: NotificationKind, now: number, count: number, first: string): NotableEvent {
  return {
    kind,
    happening: dayOf(now),
    plans: [],
    details: {
      facts: [
        ["Problems", String(count)],
        ["First", first],
      ],
    },
  };
}

/** A look whose process died, or whose database was lost, comes again so much later. */
const LOOK_LOST_MS = HOUR_MS;

/** True for one process in a day, as long as it ends. */
async function claimLook(db: Db, name: string, now: number): Promise<boolean> {
  const claimed = now - DAY_MS + LOOK_LOST_MS;
  const added = await db
    .insertInto("notification_looks")
    .values({ name, at: claimed })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .executeTakeFirst();
  if (added.numInsertedOrUpdatedRows === 1n) return true;
  const { numUpdatedRows } = await db
    .updateTable("notification_looks")
    .set({ at: claimed })
    .where("name", "=", name)
    .where("at", "<=", now - DAY_MS)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function plansOf(db: Db, deviceId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("plan_devices")
    .select("plan_id")
    .where("device_id", "=", deviceId)
    .execute();
  return rows.map(({ plan_id: id }) => id);
}

function timeOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
