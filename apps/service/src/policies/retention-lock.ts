/**
 * Retention locks (docs/decisions/0009-retention-lock.md): copies younger than so many days are not deleted, by nobody. A lock is
 * raised at once; lowered, like the waiting period itself, only after the waiting period, in which anybody who may edit plans can
 * call it off.
 *
 * @module
 */
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import { type LockView, retentionLockPolicy, type RetentionLockPolicyView } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { type AuditActor, type AuditLog, SERVICE_ACTOR, userActor } from "../audit/audit.ts";
import type { Database, Db, Transaction } from "../database/database.ts";
import type { LockChangesTable } from "../database/tables.ts";
import { checkRevision } from "../http/conditions.ts";
import { recordLockLowering } from "../notifications/lock-lowering.ts";
import type { Actor } from "../http/route.ts";
import { notListed } from "../resources.ts";
import { advanceLockClock, lockClockState, lockTime } from "./lock-clock.ts";
import { putPolicy, readPolicy } from "./policy-rows.ts";

export interface LockDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
  readonly randomness: Randomness;
}

type LockChange = Selectable<LockChangesTable>;
/** What has days of its own. */
type DaysTarget = `plan:${string}` | "minimum" | "waiting";
export type LockTarget = DaysTarget | "clock";

export const DAY_MS = 86_400_000;
export const LOCK_DAYS_MAX = 3650;
const POLICY = {
  name: "retention-lock",
  schema: retentionLockPolicy,
  asItComes: { minimumDays: 0, waitingDays: 7 },
};

interface LockPolicy {
  readonly minimumDays: number;
  readonly waitingDays: number;
  readonly revision: number;
}

export async function readLockPolicy(db: Db): Promise<LockPolicy> {
  const { minimumDays, waitingDays, revision } = await readPolicy(db, POLICY);
  return { minimumDays, waitingDays, revision };
}

export async function showLockPolicy(db: Db, clock: Pick<Clock, "now">): Promise<RetentionLockPolicyView> {
  const state = await lockClockState(db, clock);
  return {
    ...(await readLockPolicy(db)),
    pendingMinimum: await pendingView(db, "minimum", state.behindMs),
    pendingWaiting: await pendingView(db, "waiting", state.behindMs),
    clock: {
      ...state,
      pending: await pendingView(db, "clock", state.behindMs),
    },
  };
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function showPlanLock(db: Db, clock: Pick<Clock, "now">, planId: string): Promise<LockView> {
  const { lock_days: days, revision } = await findPlanLock(db, planId);
  const { minimumDays } = await readLockPolicy(db);
  const { behindMs } = await lockClockState(db, clock);
  return {
    days,
    effectiveDays: Math.max(days, minimumDays),
    pending: await pendingView(db, `plan:${planId}`, behindMs),
    revision,
  };
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CHANGED_MEANWHILE`, `ERR_FORBIDDEN`, `ERR_IN_USE`. */
export async function setPlanLock(
  dependencies: LockDependencies,
  actor: Actor,
  planId: string,
  days: number,
  ifMatch: number | undefined,
): Promise<LockView> {
  return dependencies.database.transaction(async (transaction) => {
    const row = await findPlanLock(transaction, planId);
    checkRevision(row, ifMatch);
    await setDays(dependencies, transaction, actor, {
      target: `plan:${planId}`,
      before: row.lock_days,
      days,
    });
    await transaction
      .updateTable("plans")
      .set({ revision: row.revision + 1 })
      .where("id", "=", planId)
      .execute();
    return showPlanLock(transaction, dependencies.clock, planId);
  });
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`, `ERR_IN_USE`. */
export async function setLockPolicy(
  dependencies: LockDependencies,
  actor: Actor,
  wanted: { readonly minimumDays?: number | undefined; readonly waitingDays?: number | undefined },
  ifMatch: number | undefined,
): Promise<RetentionLockPolicyView> {
  const { database, clock } = dependencies;
  return database.transaction(async (transaction) => {
    const before = await readLockPolicy(transaction);
    checkRevision(before, ifMatch);
    const { minimumDays = before.minimumDays, waitingDays = before.waitingDays } = wanted;
    await setDays(dependencies, transaction, actor, {
      target: "minimum",
      before: before.minimumDays,
      days: minimumDays,
    });
    await setDays(dependencies, transaction, actor, {
      target: "waiting",
      before: before.waitingDays,
      days: waitingDays,
    });
    return showLockPolicy(transaction, clock);
  });
}

/** Asks for the lock clock to follow the system's again, after the waiting period. @throws AppError `ERR_USAGE`, `ERR_IN_USE`. */
export async function requestClockChange(
  dependencies: LockDependencies,
  actor: Actor,
): Promise<RetentionLockPolicyView> {
  const { database, clock } = dependencies;
  return database.transaction(async (transaction) => {
    const { behindMs } = await lockClockState(transaction, clock);
    const days = Math.min(LOCK_DAYS_MAX, Math.ceil(behindMs / DAY_MS));
    if (days === 0) {
      throw new AppError("ERR_USAGE", "The lock clock is not behind.", {
        remedy: "There is nothing to set.",
      });
    }
    await request(dependencies, transaction, actor, { target: "clock", before: 0, days });
    return showLockPolicy(transaction, clock);
  });
}

/** Calls off what was asked for. @throws AppError `ERR_NOT_FOUND` when nothing waits. */
export async function withdrawLockChange(
  dependencies: LockDependencies,
  actor: Actor,
  target: LockTarget,
): Promise<void> {
  await dependencies.database.transaction(async (transaction) => {
    if (await endPending(dependencies, transaction, userActor(actor), target)) return;
    throw new AppError("ERR_NOT_FOUND", "No change of this retention lock waits to come into effect.", {
      subject: target,
      remedy: "Load it again: it was called off, or has come into effect.",
    });
  });
}

/** Brings into effect what has waited long enough. @returns how many. */
export async function applyDueLockChanges(dependencies: LockDependencies): Promise<number> {
  const { database, clock } = dependencies;
  const now = await lockTime(database.db, clock);
  const due = await database.db
    .selectFrom("lock_changes")
    .select("id")
    .where("state", "=", "pending")
    .where("due_at", "<=", now)
    .execute();
  let count = 0;
  for (const { id } of due) {
    if (await database.transaction((transaction) => applyChange(dependencies, transaction, id))) count += 1;
  }
  return count;
}

/** The plan goes, its lock stays with its copies; what was asked for of it is void. */
export async function leaveLockToCopies(
  dependencies: LockDependencies,
  transaction: Transaction,
  actor: AuditActor,
  planId: string,
): Promise<void> {
  const { lock_days: days } = await findPlanLock(transaction, planId);
  await endPending(dependencies, transaction, actor, `plan:${planId}`);
  await transaction
    .updateTable("copies")
    .set({ lock_days: days })
    .where("plan_id", "=", planId)
    .where("lock_days", "<", days)
    .execute();
}

interface Wish<T extends LockTarget = LockTarget> {
  readonly target: T;
  readonly before: number;
  readonly days: number;
}

async function setDays(
  dependencies: LockDependencies,
  transaction: Transaction,
  actor: Actor,
  wish: Wish<DaysTarget>,
): Promise<void> {
  const { target, before, days } = wish;
  if (days === before) return;
  if (days < before) return request(dependencies, transaction, actor, wish);
  await endPending(dependencies, transaction, userActor(actor), target);
  await putDays(dependencies, transaction, target, days, actor.userId);
  await dependencies.audit.append(transaction, {
    actor: userActor(actor),
    action: "lock.raise",
    subject: subjectOf(target),
    details: { target, before, days },
  });
}

async function request(
  { audit, clock, randomness }: LockDependencies,
  transaction: Transaction,
  actor: Actor,
  { target, before, days }: Wish,
): Promise<void> {
  if (!actor.rights.has("copies.delete")) {
    throw new AppError("ERR_FORBIDDEN", "Lowering a retention lock needs the right copies.delete.", {
      subject: "copies.delete",
      remedy: "Ask an administrator.",
    });
  }
  if ((await pendingChange(transaction, target)) !== undefined) {
    throw new AppError("ERR_IN_USE", "A change of this retention lock was asked for already.", {
      subject: target,
      remedy: "Call that one off first; the waiting period then begins anew.",
    });
  }
  const { waitingDays } = await readLockPolicy(transaction);
  const requestedAt = await lockTime(transaction, clock);
  const id = newId("lock", clock, randomness);
  const dueAt = requestedAt + waitingDays * DAY_MS;
  await transaction
    .insertInto("lock_changes")
    .values({
      id,
      target,
      days_before: before,
      days,
      state: "pending",
      requested_at: requestedAt,
      requested_by: actor.userId,
      due_at: dueAt,
      ended_at: null,
    })
    .execute();
  await audit.append(transaction, {
    actor: userActor(actor),
    action: target === "clock" ? "lock.clock-request" : "lock.lower-request",
    subject: subjectOf(target),
    details: { target, before, days, dueAt },
  });
  const { planId, what } = toldOf(target);
  const lowering = { id, planId, what, before, days, waitingDays, userId: actor.userId };
  await recordLockLowering(clock, transaction, lowering);
}

/** For people who are told of a request. */
function toldOf(target: LockTarget): { readonly planId: string | undefined; readonly what: string } {
  switch (target) {
    case "minimum":
      return { planId: undefined, what: "the retention lock that all plans have at least" };
    case "waiting":
      return { planId: undefined, what: "the waiting period before locks are lowered" };
    case "clock":
      return { planId: undefined, what: "the clock of the locks, which is behind the system's" };
    default:
      return { planId: target.slice("plan:".length), what: "the retention lock of the plan" };
  }
}

async function applyChange(
  dependencies: LockDependencies,
  transaction: Transaction,
  id: string,
): Promise<boolean> {
  const { audit, clock } = dependencies;
  const now = await lockTime(transaction, clock);
  const change = await transaction
    .selectFrom("lock_changes")
    .selectAll()
    .where("id", "=", id)
    .where("state", "=", "pending")
    .where("due_at", "<=", now)
    .executeTakeFirst();
  if (change === undefined) return false;
  await transaction
    .updateTable("lock_changes")
    .set({ state: "done", ended_at: now })
    .where("id", "=", id)
    .execute();
  const { days, days_before: before, requested_by: requestedBy } = change;
  const target = targetOf(change);
  if (target === "clock") await advanceLockClock(transaction, clock, days * DAY_MS);
  else await putDays(dependencies, transaction, target, days, requestedBy);
  await audit.append(transaction, {
    actor: SERVICE_ACTOR,
    action: target === "clock" ? "lock.clock" : "lock.lower",
    subject: subjectOf(target),
    details: { target, before, days, requestedBy },
  });
  return true;
}

async function putDays(
  { clock }: LockDependencies,
  transaction: Transaction,
  target: DaysTarget,
  days: number,
  by: string,
): Promise<void> {
  if (target !== "minimum" && target !== "waiting") {
    const planId = target.slice("plan:".length);
    await transaction.updateTable("plans").set({ lock_days: days }).where("id", "=", planId).execute();
    return;
  }
  const { minimumDays, waitingDays } = await readLockPolicy(transaction);
  const value = { minimumDays, waitingDays, [target === "minimum" ? "minimumDays" : "waitingDays"]: days };
  await putPolicy(transaction, POLICY, value, { at: clock.now(), by });
}

/** @returns false when nothing waited. */
async function endPending(
  { audit, clock }: LockDependencies,
  transaction: Transaction,
  actor: AuditActor,
  target: LockTarget,
): Promise<boolean> {
  const pending = await pendingChange(transaction, target);
  if (pending === undefined) return false;
  await transaction
    .updateTable("lock_changes")
    .set({ state: "withdrawn", ended_at: await lockTime(transaction, clock) })
    .where("id", "=", pending.id)
    .execute();
  await audit.append(transaction, {
    actor,
    action: "lock.withdraw",
    subject: subjectOf(target),
    details: { target, days: pending.days },
  });
  return true;
}

async function pendingChange(db: Db, target: LockTarget): Promise<LockChange | undefined> {
  return db
    .selectFrom("lock_changes")
    .selectAll()
    .where("target", "=", target)
    .where("state", "=", "pending")
    .executeTakeFirst();
}

/** With its time as the system's clock will show it. */
async function pendingView(db: Db, target: LockTarget, behindMs: number): Promise<LockView["pending"]> {
  const pending = await pendingChange(db, target);
  if (pending === undefined) return null;
  const { days, requested_at: requestedAt, requested_by: requestedBy, due_at: dueAt } = pending;
  return { days, requestedAt, requestedBy, effectiveAt: dueAt + (target === "clock" ? 0 : behindMs) };
}

async function findPlanLock(db: Db, planId: string): Promise<{ lock_days: number; revision: number }> {
  const row = await db
    .selectFrom("plans")
    .select(["lock_days", "revision"])
    .where("id", "=", planId)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("plan", planId);
}

function targetOf({ target }: LockChange): LockTarget {
  if (target === "minimum" || target === "waiting" || target === "clock") return target;
  return `plan:${target.slice("plan:".length)}`;
}

function subjectOf(target: LockTarget): { kind: string; id: string } {
  return target.startsWith("plan:")
    ? { kind: "plan", id: target.slice("plan:".length) }
    : { kind: "policy", id: POLICY.name };
}
