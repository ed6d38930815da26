/**
 * What a retention policy decides about the copies that a plan made of its devices. Copies of each device are counted apart.
 *
 * @module
 */
import {
  applyRetention,
  type RetainedCopy,
  type RetentionDecision,
  type RetentionPolicy,
} from "@holdfast/repository";
import type { Db } from "../database/database.ts";

/** As the schema of the API gives it. */
type GivenPolicy = { readonly [Rule in keyof RetentionPolicy]?: number | undefined };

/** @param deviceId only the copies of this device. */
export async function planDecision(
  db: Db,
  planId: string,
  policy: GivenPolicy,
  repositoryId?: string,
  deviceId?: string,
): Promise<RetentionDecision<RetainedCopy>> {
  let query = db
    .selectFrom("copies")
    .select(["id", "time", "device_id"])
    .where("plan_id", "=", planId)
    .where("forgotten_at", "is", null);
  if (repositoryId !== undefined) query = query.where("repository_id", "=", repositoryId);
  if (deviceId !== undefined) query = query.where("device_id", "=", deviceId);
  const copies = (await query.execute()).map(({ id, time, device_id: device }) => ({
    id,
    timeMs: time,
    group: device ?? "",
  }));
  return applyRetention(copies, withoutUndefined(policy));
}

function withoutUndefined(policy: GivenPolicy): RetentionPolicy {
  return Object.fromEntries(Object.entries(policy).filter(([, count]) => count !== undefined));
}
