// What the present set-up of the vault gives.
import type { VaultStatus } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { countRecoverable } from "./repository-slots.ts";
import { pendingKitOf } from "./unlock-slots.ts";
import { vaultDamaged } from "./vault-boxes.ts";
import type { OpenedVault } from "./vault-of-keys.ts";
import { showSlot } from "./vault-slots.ts";

export async function vaultStatus(db: Db, vault: OpenedVault): Promise<VaultStatus> {
  const head = await db.selectFrom("vault").select(["created_at", "current_term"]).executeTakeFirst();
  if (head === undefined) throw vaultDamaged("The head of the vault", "is missing");
  const slots = await db.selectFrom("unlock_slots").selectAll().orderBy("created_at").orderBy("id").execute();
  const terms = await db.selectFrom("keyring_terms").select(["number", "created_at"]).execute();
  const recoveryKit = (await vault.recoveryPublicKey(db)) !== undefined;
  const has = (kind: "file" | "passphrase"): boolean => slots.some((slot) => slot.kind === kind);
  return {
    id: vault.vaultId.toString("hex"),
    createdAt: head.created_at,
    slots: slots.map(showSlot),
    keyring: {
      current: head.current_term,
      terms: terms.length,
      createdAt: terms.find(({ number }) => number === head.current_term)?.created_at ?? head.created_at,
    },
    recoveryKit,
    repositories: await countRecoverable(db, vault),
    unattendedStart: has("file"),
    safeWithoutMachine: !has("file"),
    safeWithoutUnlockFile:
      has("passphrase") || slots.some((slot) => slot.kind === "recovery" && pendingKitOf(slot) === undefined),
  };
}
