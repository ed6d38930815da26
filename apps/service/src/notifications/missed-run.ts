// A scheduled run that was not started in its time and is not made up for: there is no task that could tell of it.
import type { Clock } from "@holdfast/kernel";
import type { Transaction } from "../database/database.ts";
import { recordEvent } from "./events.ts";

export interface MissedRun {
  readonly plan: { readonly id: string; readonly name: string };
  readonly deviceId: string;
  /** When it should have started. */
  readonly startAt: number;
}

export async function recordMissedRun(
  clock: Pick<Clock, "now">,
  transaction: Transaction,
  { plan: { id, name }, deviceId, startAt }: MissedRun,
): Promise<void> {
  const device = await transaction
    .selectFrom("devices")
    .select(["id", "name"])
    .where("id", "=", deviceId)
    .executeTakeFirst();
  await recordEvent({ clock }, transaction, {
    kind: "backup.missed",
    happening: `${id}:${deviceId}:${String(startAt)}`,
    plans: [id],
    details: {
      plan: { id, name },
      ...(device === undefined ? {} : { device }),
      facts: [
        ["Should have started", `${new Date(startAt).toISOString().slice(0, 16).replace("T", " ")} UTC`],
      ],
    },
  });
}
