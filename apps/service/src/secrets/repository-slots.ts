/**
 * How the recovery kit reaches encrypted repositories: each has a slot for it, which travels with the objects that the service
 * prepares. One that was made before the kit gets its slot behind them, and the next backup stores it (docs/security.md,
 * section 1.3).
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { kitOfSlot, type PreparedObject, prepareSlot } from "@holdfast/repository";
import { z } from "zod";
import { type AuditLog, SERVICE_ACTOR } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { Vault } from "./vault.ts";
import type { ValuePorts } from "./vault-values.ts";

export interface RepositorySlotDependencies extends ValuePorts {
  readonly database: Database;
  readonly vault: Vault;
  readonly audit: AuditLog;
}

const preparedObjects = z.array(z.object({ name: z.string(), bytes: z.string() }));

/**
 * Gives every encrypted repository that has none a slot for the kit in use, and takes back those of older kits that no agent has
 * stored yet. May be repeated: to be called when a kit comes into use, at each start, and now and then.
 *
 * @returns how many got one.
 */
export async function addRecoverySlots(dependencies: RepositorySlotDependencies): Promise<number> {
  const { database, vault } = dependencies;
  const publicKey = await vault.recoveryPublicKey(database.db);
  if (publicKey === undefined) return 0;
  const kit = sha256(publicKey);
  let count = 0;
  for (const { id, objects } of await encryptedRepositories(database.db)) {
    if (hasSlotOf(id, objects, kit)) continue;
    await addSlot(dependencies, id, publicKey);
    count += 1;
  }
  return count;
}

/** Encrypted repositories, and those of them that have a slot for the kit in use. */
export async function countRecoverable(
  db: Db,
  vault: Vault,
): Promise<{ encrypted: number; recoverable: number }> {
  const publicKey = await vault.recoveryPublicKey(db);
  const repositories = await encryptedRepositories(db);
  if (publicKey === undefined) return { encrypted: repositories.length, recoverable: 0 };
  const kit = sha256(publicKey);
  const recoverable = repositories.filter(({ id, objects }) => hasSlotOf(id, objects, kit));
  return { encrypted: repositories.length, recoverable: recoverable.length };
}

async function addSlot(
  { database, vault, audit, clock, randomness }: RepositorySlotDependencies,
  id: string,
  publicKey: Buffer,
): Promise<void> {
  using root = await vault.get(database.db, { kind: "repository", id, version: 1, field: "value" });
  const repository = Buffer.from(id, "hex");
  const slot = prepareSlot(
    { clock, randomness },
    { repository, rootSecret: root.bytes },
    { target: { kind: "recovery", publicKey }, label: "recovery kit" },
  );
  await database.transaction(async (transaction) => {
    // Another kit may have come into use meanwhile: its slots are not to be taken back.
    if ((await vault.recoveryPublicKey(transaction))?.equals(publicKey) !== true) return;
    const row = await transaction
      .selectFrom("repositories")
      .select("prepared")
      .where("id", "=", id)
      .executeTakeFirst();
    if (row === undefined) return;
    const objects = readPrepared(row.prepared);
    if (hasSlotOf(id, objects, sha256(publicKey))) return;
    const kept = objects.filter((object) => kitOfSlot(object, repository) === undefined);
    const prepared = [...kept, slot].map(({ name, bytes }) => ({ name, bytes: bytes.toString("base64") }));
    await transaction
      .updateTable("repositories")
      .set({ prepared: JSON.stringify(prepared) })
      .where("id", "=", id)
      .execute();
    await audit.append(transaction, {
      actor: SERVICE_ACTOR,
      action: "repository.recovery-slot",
      subject: { kind: "repository", id },
    });
  });
}

interface EncryptedRepository {
  readonly id: string;
  readonly objects: readonly PreparedObject[];
}

async function encryptedRepositories(db: Db): Promise<EncryptedRepository[]> {
  const rows = await db
    .selectFrom("repositories")
    .select(["id", "prepared"])
    .where("suite", "!=", 0)
    // A replica has the slots of its source.
    .where("origin_id", "is", null)
    .orderBy("id")
    .execute();
  return rows.map(({ id, prepared }) => ({ id, objects: readPrepared(prepared) }));
}

function hasSlotOf(id: string, objects: readonly PreparedObject[], kit: Buffer): boolean {
  const repository = Buffer.from(id, "hex");
  return objects.some((object) => kitOfSlot(object, repository)?.equals(kit) === true);
}

function readPrepared(text: string): readonly PreparedObject[] {
  return preparedObjects
    .parse(JSON.parse(text))
    .map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") }));
}
