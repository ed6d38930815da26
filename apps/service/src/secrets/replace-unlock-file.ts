/**
 * The way back after the unlock file was lost: whoever has a passphrase of the vault, or the recovery kit, makes a new one.
 *
 * @module
 */
import type { AuditActor } from "../audit/audit.ts";
import { createAuditLog } from "../audit/audit-log.ts";
import type { Database } from "../database/database.ts";
import { openVault, type Unlock } from "./open-vault.ts";
import { createUnlockFile, type UnlockFilePlace } from "./unlock-file.ts";
import { sealSlot } from "./unlock-slots.ts";
import { checkOpens } from "./vault-slots.ts";
import type { ValuePorts } from "./vault-values.ts";

/** Somebody on the machine of the service, by its command. */
export const COMMAND_ACTOR: AuditActor = { kind: "command", id: "" };

/**
 * Opens the vault in another way, makes an unlock file, and lets it take the place of the earlier ones.
 *
 * @throws AppError as `openVault`; `ERR_UNLOCK_FILE` for the new place. Then everything is as it was, but for the new file.
 */
export async function replaceUnlockFile(
  database: Database,
  unlock: Exclude<Unlock, { kind: "file" }>,
  place: UnlockFilePlace,
  ports: ValuePorts,
): Promise<void> {
  using vault = await openVault(database.db, unlock, ports);
  using key = await createUnlockFile(place, ports.randomness);
  const target = { kind: "file", key: key.bytes } as const;
  const slot = await sealSlot(vault.vaultId, vault.keys.root.bytes, target, "unlock file", ports);
  await checkOpens(vault.keys, slot, target);
  const audit = createAuditLog({ ...ports, database, vault });
  await database.transaction(async (transaction) => {
    await transaction.deleteFrom("unlock_slots").where("kind", "=", "file").execute();
    await transaction.insertInto("unlock_slots").values(slot).execute();
    await audit.append(transaction, {
      actor: COMMAND_ACTOR,
      action: "vault.unlock-file",
      subject: { kind: "slot", id: slot.id },
      details: { openedBy: unlock.kind },
    });
  });
  await audit.checkpoint();
}
