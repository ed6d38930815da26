/**
 * Managing the ways to open the vault.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import type { NewVaultSlot, VaultSlot } from "@holdfast/protocol";
import { type AuditActor, type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { SLOTS_MAX } from "./open-vault.ts";
import type { OwnPasswordDependencies } from "./own-password.ts";
import { secretText } from "./secret-values.ts";
import { strengthOf, warningsOfKey } from "./strength/strength.ts";
import type { EstimateText } from "./strength/strength-thread.ts";
import { openSlot, pendingKitOf, sealSlot, type SlotRow, type SlotSecret } from "./unlock-slots.ts";
import { vaultDamaged } from "./vault-boxes.ts";
import type { VaultKeys } from "./vault-keys.ts";
import type { OpenedVault } from "./vault-of-keys.ts";
import type { ValuePorts } from "./vault-values.ts";

export interface VaultDependencies extends OwnPasswordDependencies, ValuePorts {
  readonly clock: OwnPasswordDependencies["clock"];
  readonly vault: OpenedVault;
  /** How hard a passphrase is to guess. */
  readonly estimate: EstimateText;
}

export function showSlot(row: SlotRow): VaultSlot {
  return {
    id: row.id,
    kind: row.kind,
    label: row.label,
    createdAt: row.created_at,
    pending: pendingKitOf(row) !== undefined,
  };
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_PASSWORD_WEAK`, `ERR_PASSWORD_WRONG`, `ERR_USAGE` when there are too many. */
export async function addPassphraseSlot(
  dependencies: VaultDependencies,
  actor: Actor,
  given: NewVaultSlot,
): Promise<VaultSlot> {
  if (given.passphrase.normalize("NFC") !== given.confirmation.normalize("NFC")) {
    throw new AppError("ERR_CONFIRMATION", "The passphrase and its confirmation are not the same.", {
      subject: "confirmation",
      remedy: "Type both again.",
    });
  }
  warningsOfKey(await strengthOf(dependencies.estimate, given.passphrase), "This passphrase");
  await dependencies.requireOwnPassword(actor, given.password, "vault.slot");
  using passphrase = secretText(given.passphrase);
  return await insertPassphraseSlot(dependencies, userActor(actor), given.label, passphrase.bytes);
}

/** What a change of the slots takes, whoever makes it. */
export interface SlotDependencies extends ValuePorts {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly vault: OpenedVault;
}

/** @throws AppError `ERR_USAGE` when there are too many. */
export async function insertPassphraseSlot(
  dependencies: SlotDependencies,
  actor: AuditActor,
  label: string,
  passphrase: Uint8Array,
): Promise<VaultSlot> {
  const { database, vault, audit } = dependencies;
  const target = { kind: "passphrase", passphrase } as const;
  const row = await sealSlot(vault.vaultId, vault.keys.root.bytes, target, label, dependencies);
  await checkOpens(vault.keys, row, target);
  return database.transaction(async (transaction) => {
    const slots = await transaction.selectFrom("unlock_slots").select("id").execute();
    if (slots.length >= SLOTS_MAX) {
      throw new AppError("ERR_USAGE", `A vault has at most ${String(SLOTS_MAX)} unlock slots.`, {
        remedy: "Remove one that nobody needs.",
      });
    }
    await transaction.insertInto("unlock_slots").values(row).execute();
    await audit.append(transaction, {
      actor,
      action: "vault.slot-add",
      subject: { kind: "slot", id: row.id },
      details: { kind: row.kind, label: row.label },
    });
    return showSlot(row);
  });
}

/**
 * Removes a slot. Whoever kept it together with an older database can open that one still: the root key does not change.
 *
 * @throws AppError `ERR_SLOT_NOT_FOUND`, `ERR_LAST_SLOT` for the last one that opens the vault at a start.
 */
export async function removeSlot(
  { database, audit }: Pick<SlotDependencies, "database" | "audit">,
  actor: AuditActor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const slots = await transaction.selectFrom("unlock_slots").selectAll().execute();
    const slot = slots.find((other) => other.id === id);
    if (slot === undefined) {
      throw new AppError("ERR_SLOT_NOT_FOUND", `There is no unlock slot ${id}.`, {
        subject: id,
        remedy: "Look in the list of unlock slots.",
      });
    }
    const left = slots.filter((other) => other.id !== id && other.kind !== "recovery");
    if (slot.kind !== "recovery" && left.length === 0) {
      throw new AppError("ERR_LAST_SLOT", "This is the last way to open the vault when the service starts.", {
        subject: id,
        remedy: "Add another one first.",
      });
    }
    await transaction.deleteFrom("unlock_slots").where("id", "=", id).execute();
    if (slot.kind === "recovery" && slot.parameters === null) {
      await transaction.updateTable("vault").set({ recovery_public_key: null, recovery_box: null }).execute();
    }
    await audit.append(transaction, {
      actor,
      action: "vault.slot-remove",
      subject: { kind: "slot", id },
      details: { kind: slot.kind, label: slot.label },
    });
  });
}

/** A new slot is stored only when it is known to open. */
export async function checkOpens(keys: VaultKeys, row: SlotRow, secret: SlotSecret): Promise<void> {
  using opened = await openSlot(keys.vaultId, row, secret);
  if (timingSafeEqual(opened.bytes, keys.root.bytes)) return;
  throw vaultDamaged(`The new unlock slot ${row.id}`, "does not open what it should");
}
