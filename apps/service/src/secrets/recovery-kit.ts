/**
 * The recovery kit: the private half of an X-Wing pair, answered once and kept nowhere (docs/security.md, section 1.3).
 *
 * A new kit is pending until two of its groups were typed back, or that was knowingly skipped; until then an older kit stays in
 * use.
 *
 * @module
 */
import {
  canonicalBase32,
  formatRecoveryKey,
  KEM_SEED_BYTES,
  secretBuffer,
  SecretBytes,
  sealBox,
} from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { KitConfirmation, NewKit } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { kitPublicKey, type PendingKit, pendingKitOf, sealSlot, type SlotRow } from "./unlock-slots.ts";
import { openVaultBox } from "./vault-boxes.ts";
import { vaultContext } from "./vault-context.ts";
import type { VaultKeys } from "./vault-keys.ts";
import { checkRecoveryKey, sealRecoveryHash } from "./vault-of-keys.ts";
import { checkOpens, type VaultDependencies } from "./vault-slots.ts";

const LINES = 3;
const GROUPS_A_LINE = 4;
const LABEL = "recovery kit";

/**
 * Makes a kit and answers its text, this once.
 *
 * @throws AppError `ERR_PASSWORD_WRONG`, `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function makeRecoveryKit(
  dependencies: VaultDependencies,
  actor: Actor,
  password: string,
): Promise<NewKit> {
  const { database, vault, audit, randomness, clock } = dependencies;
  await dependencies.requireOwnPassword(actor, password, "recovery-kit.make");
  using seed = new SecretBytes(randomness(secretBuffer(KEM_SEED_BYTES)));
  const publicKey = kitPublicKey(seed.bytes);
  const text = formatRecoveryKey(seed.bytes);
  const groups = drawGroups(dependencies);
  const sealed = await sealSlot(
    vault.vaultId,
    vault.keys.root.bytes,
    { kind: "recovery", publicKey },
    LABEL,
    dependencies,
  );
  const pending: PendingKit = {
    publicKey: publicKey.toString("base64"),
    recoveryBox: sealRecoveryHash(vault.keys, publicKey, dependencies).toString("base64"),
    groups,
    checkBox: sealCheck(dependencies, sealed.id, groupsOf(text, groups)).toString("base64"),
  };
  const row: SlotRow = { ...sealed, parameters: JSON.stringify(pending) };
  await database.transaction(async (transaction) => {
    // One that was never confirmed is waste paper now.
    await transaction
      .deleteFrom("unlock_slots")
      .where("kind", "=", "recovery")
      .where("parameters", "is not", null)
      .execute();
    await transaction.insertInto("unlock_slots").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "recovery-kit.make",
      subject: { kind: "slot", id: row.id },
    });
  });
  // What is in the database is what the paper will open.
  await checkOpens(vault.keys, await findSlot(database.db, row.id), { kind: "recovery", seed: seed.bytes });
  return {
    id: row.id,
    text,
    vault: vault.vaultId.toString("hex"),
    createdAt: clock.now(),
    groups: groups.map((place) => ({
      line: Math.floor(place / GROUPS_A_LINE) + 1,
      group: (place % GROUPS_A_LINE) + 1,
    })),
  };
}

/**
 * Puts a kit in use: whatever is sealed from now on is sealed to it, and older kits open the vault no more.
 *
 * @throws AppError `ERR_NOT_FOUND` when it is not pending, `ERR_RECOVERY_KIT` when the groups are not the paper's,
 * `ERR_VAULT_DAMAGED` when its public key was exchanged.
 */
export async function confirmRecoveryKit(
  dependencies: VaultDependencies,
  actor: Actor,
  id: string,
  confirmation: KitConfirmation,
): Promise<void> {
  const { database, vault, audit } = dependencies;
  const slot = await findSlot(database.db, id);
  const pending = pendingKitOf(slot);
  if (pending === undefined) throw notPending(id);
  const publicKey = Buffer.from(pending.publicKey, "base64");
  const recoveryBox = Buffer.from(pending.recoveryBox, "base64");
  checkRecoveryKey(vault.keys, publicKey, recoveryBox);
  const skipped = "skip" in confirmation;
  if (!skipped) checkGroups(dependencies, id, pending, confirmation.groups);
  await database.transaction(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable("unlock_slots")
      .set({ parameters: null })
      .where("id", "=", id)
      .where("parameters", "=", slot.parameters)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw notPending(id);
    await transaction
      .updateTable("vault")
      .set({ recovery_public_key: publicKey, recovery_box: recoveryBox })
      .execute();
    await transaction
      .deleteFrom("unlock_slots")
      .where("kind", "=", "recovery")
      .where("id", "!=", id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "recovery-kit.use",
      subject: { kind: "slot", id },
      details: { typedBack: !skipped },
    });
  });
}

async function findSlot(db: Database["db"], id: string): Promise<SlotRow> {
  const row = await db.selectFrom("unlock_slots").selectAll().where("id", "=", id).executeTakeFirst();
  if (row?.kind === "recovery") return row;
  throw notPending(id);
}

/** Two places of 0 to 11, in the order of the page. */
function drawGroups({ randomness }: VaultDependencies): [number, number] {
  const places = LINES * GROUPS_A_LINE;
  for (;;) {
    const [a = 0, b = 0] = randomness(new Uint8Array(2));
    // The greatest multiple of 12 in a byte: no place is likelier than another.
    if (a >= 252 || b >= 252 || a % places === b % places) continue;
    const [first, second] = [a % places, b % places];
    return first < second ? [first, second] : [second, first];
  }
}

/** The groups of these places, without a check group, one behind the other. */
function groupsOf(text: string, places: readonly number[]): string {
  const groups = text
    .trimEnd()
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(" ").slice(0, GROUPS_A_LINE));
  return places.map((place) => groups[place] ?? "").join("");
}

function sealCheck({ vault, randomness }: VaultDependencies, id: string, groups: string): Buffer {
  const context = vaultContext("kit-check", vault.vaultId, id);
  return sealBox(vault.keys.root.bytes, context, Buffer.from(groups, "ascii"), randomness);
}

/** @throws AppError `ERR_VAULT_DAMAGED` when what a pending kit would put in use is not what the vault has sealed. */
export function checkPendingKit(keys: VaultKeys, row: SlotRow): void {
  const pending = pendingKitOf(row);
  if (pending === undefined) return;
  checkRecoveryKey(
    keys,
    Buffer.from(pending.publicKey, "base64"),
    Buffer.from(pending.recoveryBox, "base64"),
  );
  openCheck(keys, row.id, pending).fill(0);
}

function openCheck(keys: VaultKeys, id: string, pending: PendingKit): Buffer {
  const context = vaultContext("kit-check", keys.vaultId, id);
  const box = Buffer.from(pending.checkBox, "base64");
  return openVaultBox(keys.root.bytes, context, box, `The check of the recovery kit ${id}`);
}

function checkGroups(
  { vault }: VaultDependencies,
  id: string,
  pending: PendingKit,
  typed: readonly string[],
): void {
  using expected = new SecretBytes(openCheck(vault.keys, id, pending));
  const given = canonicalBase32(typed.join("").replaceAll(/[\s-]/gu, ""));
  if (given !== null && Buffer.from(given, "ascii").equals(expected.bytes)) return;
  throw new AppError("ERR_RECOVERY_KIT", "The groups are not those of the recovery kit.", {
    subject: id,
    remedy: "Compare them with the page, group by group; or make a new kit.",
  });
}

function notPending(id: string): AppError {
  return new AppError("ERR_NOT_FOUND", `There is no recovery kit ${id} that waits to be confirmed.`, {
    subject: id,
    remedy: "Make a new one.",
  });
}
