/**
 * What removing an empty repository and writing off a lost one have in common.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db, Transaction } from "../database/database.ts";

/** As much of the id as a person has to type; its folder is called after it. */
const CONFIRMATION_CHARACTERS = 8;

/** @throws AppError `ERR_CONFIRMATION`. */
export function checkConfirmation(id: string, confirmation: string): void {
  if (confirmation.toLowerCase() === id.slice(0, CONFIRMATION_CHARACTERS)) return;
  throw new AppError(
    "ERR_CONFIRMATION",
    "The repository was not removed: the confirmation does not name it.",
    {
      subject: id,
      remedy: `Type the first ${String(CONFIRMATION_CHARACTERS)} characters of its id, which its folder has in its name.`,
    },
  );
}

/** @throws AppError `ERR_IN_USE` when something stands against it. */
export function checkObstacles(id: string, obstacles: readonly string[]): void {
  if (obstacles.length === 0) return;
  throw new AppError("ERR_IN_USE", `The repository cannot be removed. ${obstacles.join(" ")}`, {
    subject: id,
    remedy: "Put that right first.",
  });
}

/** Plans, replications and tasks that use it, each as a sentence. */
export async function usesOf(db: Db, id: string): Promise<string[]> {
  const uses: string[] = [];
  const plans = await db.selectFrom("plans").select("name").where("repository_id", "=", id).execute();
  for (const { name } of plans) uses.push(`The plan ${name} writes to it.`);
  const replications = await db
    .selectFrom("replications")
    .select("name")
    .where((eb) => eb.or([eb("source_id", "=", id), eb("target_id", "=", id)]))
    .execute();
  for (const { name } of replications) uses.push(`The replication ${name} uses it.`);
  const tasks = await db
    .selectFrom("tasks")
    .select("id")
    .where("repository_id", "=", id)
    .where("state", "in", ["queued", "running"])
    .execute();
  if (tasks.length > 0) uses.push(`${String(tasks.length)} tasks work on it.`);
  return uses;
}

/** Its record, what the catalogue has of it, and its key in the vault. The storage is not touched. */
export async function dropRepository(transaction: Transaction, id: string): Promise<void> {
  await transaction.deleteFrom("copies").where("repository_id", "=", id).execute();
  await transaction.deleteFrom("repositories").where("id", "=", id).execute();
  await transaction
    .deleteFrom("vault_values")
    .where("object_kind", "=", "repository")
    .where("object_id", "=", id)
    .execute();
}
