/**
 * When something is done with repositories, unless somebody wants it otherwise: every object's own checksum is verified weekly, every
 * byte monthly; retention is looked at daily, space given back weekly, besides what follows backups.
 *
 * @module
 */
import type { Randomness } from "@holdfast/kernel";
import type { Transaction } from "../database/database.ts";
import type { MaintenanceTable } from "../database/tables.ts";

export const DAY_MS = 86_400_000;

export type MaintenanceKind = MaintenanceTable["kind"];

const EVERY_DAYS: Readonly<Record<MaintenanceKind, number>> = {
  verify: 7,
  "verify-data": 30,
  retention: 1,
  clean: 7,
};

export interface TimePorts {
  readonly clock: { readonly now: () => number };
  readonly randomness: Randomness;
}

/** Gives a new repository its times. */
export async function insertMaintenance(
  transaction: Transaction,
  { clock, randomness }: TimePorts,
  repositoryId: string,
): Promise<void> {
  const kinds: MaintenanceKind[] = ["verify", "verify-data", "retention", "clean"];
  for (const kind of kinds) {
    const days = EVERY_DAYS[kind];
    await transaction
      .insertInto("maintenance")
      .values({
        repository_id: repositoryId,
        kind,
        every_days: days,
        next_at: clock.now() + days * DAY_MS + spread(randomness),
        last_task_id: null,
      })
      .execute();
  }
}

/** Up to a day, so that repositories made together are not verified together. */
export function spread(randomness: Randomness): number {
  return randomness(Buffer.alloc(4)).readUInt32LE() % DAY_MS;
}
