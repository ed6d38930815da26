/**
 * How long tasks and their events are kept: as an administrator sets it.
 *
 * @module
 */
import { historyPolicy, type HistoryPolicy, type HistoryPolicyView } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { changePolicy, type PolicyDependencies, readPolicy } from "../policies/policy-rows.ts";

const HISTORY = {
  name: "history",
  schema: historyPolicy,
  /** A year can be compared with the one before; nobody reads what a backup said three months ago. */
  asItComes: { taskDays: 400, eventDays: 90 },
};

export async function readHistoryPolicy(db: Db): Promise<HistoryPolicyView> {
  return readPolicy(db, HISTORY);
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setHistoryPolicy(
  dependencies: PolicyDependencies,
  actor: Actor,
  { taskDays, eventDays }: HistoryPolicy,
  ifMatch: number | undefined,
): Promise<HistoryPolicyView> {
  const value = { taskDays, eventDays };
  return changePolicy(dependencies, actor, HISTORY, { value, ifMatch, details: value });
}
