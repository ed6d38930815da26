/**
 * Replicas: repositories in another storage with the objects, keys and slots of their source. Their objects carry the source's
 * id; in the service each has an id, and its root secret in the vault, of its own, so that neither needs the other's record.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { Database, Transaction } from "../database/database.ts";
import { insertMaintenance, type TimePorts } from "../maintenance/times.ts";
import type { Vault } from "../secrets/vault.ts";
import { originOf, ROOT_VERSION, type RepositoryRow, rootSecretOf } from "./repositories.ts";

export interface ReplicaDependencies extends TimePorts {
  readonly database: Database;
  readonly vault: Vault;
  readonly clock: Clock;
}

const ID_BYTES = 16;
const FOLDER_DIGITS = 8;

/** One that an earlier replication left in the storage is taken again. @returns its id. */
export async function prepareReplica(
  { vault, clock, randomness }: ReplicaDependencies,
  transaction: Transaction,
  source: RepositoryRow,
  storageId: string,
): Promise<string> {
  const existing = await transaction
    .selectFrom("repositories")
    .leftJoin("replications", "replications.target_id", "repositories.id")
    .select("repositories.id")
    .where("repositories.origin_id", "=", originOf(source))
    .where("repositories.storage_id", "=", storageId)
    .where("replications.id", "is", null)
    .executeTakeFirst();
  if (existing !== undefined) return existing.id;
  const id = randomness(Buffer.alloc(ID_BYTES)).toString("hex");
  await transaction
    .insertInto("repositories")
    .values({
      id,
      storage_id: storageId,
      folder: `holdfast-replica-${id.slice(0, FOLDER_DIGITS)}`,
      suite: source.suite,
      secret_id: source.secret_id,
      // Config and slots come with the copies.
      prepared: "[]",
      created_at: clock.now(),
      origin_id: originOf(source),
    })
    .execute();
  await insertMaintenance(transaction, { clock, randomness }, id);
  using root = await rootSecretOf(transaction, vault, source.id);
  await vault.put(transaction, { kind: "repository", id, version: ROOT_VERSION, field: "value" }, root.bytes);
  return id;
}

/** Copies that are in the replica by now, as the catalogue has them in the source; one that came back is there again. */
export async function recordReplicas(
  transaction: Transaction,
  sourceId: string,
  {
    targetId,
    taskId,
    copies,
  }: { readonly targetId: string; readonly taskId: string | null; readonly copies: readonly string[] },
): Promise<void> {
  for (const id of copies) {
    const known = await transaction
      .selectFrom("copies")
      .selectAll()
      .where("repository_id", "=", sourceId)
      .where("id", "=", id)
      .executeTakeFirst();
    if (known === undefined) continue;
    await transaction
      .insertInto("copies")
      .values({ ...known, repository_id: targetId, task_id: taskId, stored: null, forgotten_at: null })
      .onConflict((conflict) =>
        conflict.columns(["repository_id", "id"]).doUpdateSet({ forgotten_at: null, task_id: taskId }),
      )
      .execute();
  }
}
