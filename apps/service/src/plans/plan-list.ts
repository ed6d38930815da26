// Lists of plans.
import type { Page, PlanView, planQuery } from "@holdfast/protocol";
import type { z } from "zod";
import { type Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import { showPlans } from "./plan-views.ts";

/** By name. */
export async function listPlans(db: Db, query: z.infer<typeof planQuery>): Promise<Page<PlanView>> {
  const { device, storage } = query;
  let rows = db
    .selectFrom("plans")
    .selectAll()
    .orderBy("name")
    .limit(query.limit + 1);
  const after = startAfter(query.cursor);
  if (after !== undefined) rows = rows.where("name", ">", after);
  if (storage !== undefined) rows = rows.where("storage_id", "=", storage);
  if (device !== undefined) {
    rows = rows.where("id", "in", (nested) =>
      nested.selectFrom("plan_devices").select("plan_id").where("device_id", "=", device),
    );
  }
  const page = nextPage(await rows.execute(), query.limit, ({ name }) => name);
  return { ...page, items: await showPlans(db, page.items) };
}
