// Somebody asked for copies to be kept less long: the others have the waiting period to call it off.
import type { Clock } from "@holdfast/kernel";
import type { Transaction } from "../database/database.ts";
import { recordEvent } from "./events.ts";

export interface LockLowering {
  /** Of the request. */
  readonly id: string;
  /** Undefined: a rule of the company. */
  readonly planId: string | undefined;
  readonly what: string;
  readonly before: number;
  readonly days: number;
  /** Days that it can be called off in. */
  readonly waitingDays: number;
  readonly userId: string;
}

export async function recordLockLowering(
  clock: Pick<Clock, "now">,
  transaction: Transaction,
  { id, planId, what, before, days, waitingDays, userId }: LockLowering,
): Promise<void> {
  const nameIn = (table: "plans" | "users", wanted: string): Promise<{ name: string } | undefined> =>
    transaction.selectFrom(table).select("name").where("id", "=", wanted).executeTakeFirst();
  const plan = planId === undefined ? undefined : await nameIn("plans", planId);
  const user = await nameIn("users", userId);
  await recordEvent({ clock }, transaction, {
    kind: "lock.lowering",
    happening: id,
    plans: planId === undefined ? [] : [planId],
    details: {
      ...(planId === undefined || plan === undefined ? {} : { plan: { id: planId, name: plan.name } }),
      facts: [
        ["What", what],
        ["From, to", `${String(before)} days, ${String(days)} days`],
        ["Asked for by", user?.name ?? userId],
        ["Takes effect after", `${String(waitingDays)} days`],
      ],
    },
  });
}
