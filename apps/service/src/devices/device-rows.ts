/**
 * Devices as rows, and as the API shows them.
 *
 * @module
 */
import { type Clock } from "@holdfast/kernel";
import { type DeviceQuery, type DeviceView, disk, method, type Page, platform } from "@holdfast/protocol";
import { type Expression, type Selectable, type SelectQueryBuilder, sql, type SqlBool } from "kysely";
import { z } from "zod";
import { isAliveSince } from "../channel/processes.ts";
import type { Db } from "../database/database.ts";
import type { DevicesTable, Tables } from "../database/tables.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import { notListed } from "../resources.ts";

export type DeviceRow = Selectable<DevicesTable>;

const methods = z.array(method);
const disks = z.array(disk);

export function methodsOf(row: Pick<DeviceRow, "methods">): ReadonlySet<string> {
  return new Set(methods.parse(JSON.parse(row.methods)));
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findDevice(db: Db, id: string): Promise<DeviceRow> {
  const row = await db.selectFrom("devices").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("device", id);
}

/** @throws AppError `ERR_NOT_FOUND` of the first that is not there. */
export async function checkDevices(db: Db, ids: readonly string[]): Promise<void> {
  const rows = await db.selectFrom("devices").select("id").where("id", "in", ids).execute();
  const known = new Set(rows.map(({ id }) => id));
  const missing = ids.find((id) => !known.has(id));
  if (missing !== undefined) throw notListed("device", missing);
}

export async function showDevice(db: Db, clock: Pick<Clock, "now">, id: string): Promise<DeviceView> {
  await findDevice(db, id);
  const row = await views(db, clock).where("devices.id", "=", id).executeTakeFirstOrThrow();
  return viewOf(row);
}

/** By name. */
export async function listDevices(
  db: Db,
  clock: Pick<Clock, "now">,
  query: DeviceQuery,
): Promise<Page<DeviceView>> {
  const after = startAfter(query.cursor)?.split("\n");
  const [afterName, afterId] = [after?.[0] ?? "", after?.[1] ?? ""];
  const rows = await views(db, clock)
    .where((eb) => {
      const conditions: Expression<SqlBool>[] = [];
      if (query.name !== undefined) conditions.push(nameHas(query.name));
      if (query.worker !== undefined) conditions.push(eb("devices.worker", "=", query.worker ? 1 : 0));
      if (query.disabled !== undefined) conditions.push(eb("devices.disabled", "=", query.disabled ? 1 : 0));
      if (after !== undefined) {
        const sameName = eb.and([eb("devices.name", "=", afterName), eb("devices.id", ">", afterId)]);
        conditions.push(eb.or([eb("devices.name", ">", afterName), sameName]));
      }
      return eb.and(conditions);
    })
    .orderBy("devices.name")
    .orderBy("devices.id")
    .limit(query.limit + 1)
    .execute();
  const page = nextPage(rows, query.limit, ({ name, id }) => `${name}\n${id}`);
  return { ...page, items: page.items.map(viewOf) };
}

type ViewRow = DeviceRow & {
  readonly plans: number | bigint | string | null;
  readonly process: string | null;
};

function views(db: Db, clock: Pick<Clock, "now">): SelectQueryBuilder<Tables, "devices", ViewRow> {
  return db
    .selectFrom("devices")
    .selectAll("devices")
    .select((eb) => [
      eb
        .selectFrom("plan_devices")
        .whereRef("plan_devices.device_id", "=", "devices.id")
        .select((count) => count.fn.countAll<number>().as("count"))
        .as("plans"),
      eb
        .selectFrom("processes")
        .whereRef("processes.id", "=", "devices.process_id")
        .where("processes.beat_at", ">", isAliveSince(clock))
        .select("processes.id")
        .as("process"),
    ]);
}

function viewOf(row: ViewRow): DeviceView {
  return {
    id: row.id,
    name: row.name,
    platform: platform.parse(JSON.parse(row.platform)),
    methods: methods.parse(JSON.parse(row.methods)),
    disks: disks.parse(JSON.parse(row.disks)),
    version: row.version,
    worker: row.worker === 1,
    disabled: row.disabled === 1,
    online: row.process !== null,
    connectedAt: row.connected_at,
    seenAt: row.seen_at,
    certificateExpiresAt: row.certificate_expires_at,
    plans: Number(row.plans ?? 0),
    createdAt: row.created_at,
    revision: row.revision,
  };
}

/** Small and capital ASCII letters are the same; `%` and `_` stand for themselves. */
function nameHas(part: string): Expression<SqlBool> {
  const pattern = `%${part.toLowerCase().replaceAll(/[%_!]/gu, "!$&")}%`;
  return sql<SqlBool>`lower(devices.name) like ${pattern} escape '!'`;
}
