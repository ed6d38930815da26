/**
 * Unlock slots: the ways to the root key of the vault (docs/security.md, section 1.2).
 *
 * @module
 */
import {
  ARGON2_DEFAULT,
  type Argon2Parameters,
  KEM_PUBLIC_KEY_BYTES,
  keyPairFromSeed,
  openSecretBox,
  openWithPrivateKey,
  sealBox,
  sealToPublicKey,
  SecretBytes,
  stretchBeside,
} from "@holdfast/crypto";
import { AppError, isAppError, newId } from "@holdfast/kernel";
import { base64 } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { UnlockSlotsTable } from "../database/tables.ts";
import { VAULT_KEY_BYTES, vaultDamaged } from "./vault-boxes.ts";
import { vaultContext } from "./vault-context.ts";
import type { ValuePorts } from "./vault-values.ts";

export type SlotRow = Selectable<UnlockSlotsTable>;

/** What opens a slot. The bytes stay the caller's to wipe. */
export type SlotSecret =
  | { readonly kind: "file"; readonly key: Uint8Array }
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "recovery"; readonly seed: Uint8Array };

/** What a new slot is made for. */
export type NewSlotTarget =
  | { readonly kind: "file"; readonly key: Uint8Array }
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "recovery"; readonly publicKey: Uint8Array };

const SALT_BYTES = 16;

const passphraseParameters = z.object({
  salt: z.string().regex(/^[0-9a-f]{32}$/u),
  memoryKiB: z.int().positive(),
  passes: z.int().positive(),
  lanes: z.int().positive(),
});

/** Of a kit that nobody has confirmed yet. */
const pendingKit = z.object({
  publicKey: base64(KEM_PUBLIC_KEY_BYTES),
  recoveryBox: base64(200),
  /** Places of the groups to type back: 0 to 11. */
  groups: z.array(z.int().min(0).max(11)).length(2),
  checkBox: base64(200),
});
export type PendingKit = z.infer<typeof pendingKit>;

export async function sealSlot(
  vaultId: Uint8Array,
  root: Uint8Array,
  target: NewSlotTarget,
  label: string,
  { clock, randomness, passphraseCost: cost = ARGON2_DEFAULT }: ValuePorts,
): Promise<SlotRow> {
  const id = newId("slot", clock, randomness);
  const row = { id, kind: target.kind, label, created_at: clock.now() };
  if (target.kind === "recovery") {
    const context = slotContext(vaultId, id, "recovery");
    return { ...row, parameters: null, box: sealToPublicKey(target.publicKey, context, root, randomness) };
  }
  if (target.kind === "file") {
    const context = slotContext(vaultId, id, "file");
    return { ...row, parameters: null, box: sealBox(target.key, context, root, randomness) };
  }
  const salt = randomness(Buffer.alloc(SALT_BYTES));
  using key = new SecretBytes(await stretchBeside(target.passphrase, salt, cost));
  const context = passphraseContext(vaultId, id, salt, cost);
  return {
    ...row,
    parameters: JSON.stringify({ salt: salt.toString("hex"), ...cost }),
    box: sealBox(key.bytes, context, root, randomness),
  };
}

/**
 * The root key.
 *
 * @throws AppError `ERR_KEY_WRONG` when this secret is not the slot's, `ERR_VAULT_DAMAGED` when the slot was changed.
 */
export async function openSlot(vaultId: Uint8Array, row: SlotRow, secret: SlotSecret): Promise<SecretBytes> {
  const what = `The unlock slot ${row.id}`;
  try {
    const root = new SecretBytes(await openSlotBox(vaultId, row, secret, what));
    if (root.bytes.length === VAULT_KEY_BYTES) return root;
    root.wipe();
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED")) throw vaultDamaged(what, "was changed");
    throw error;
  }
  throw vaultDamaged(what, "has a wrong length");
}

async function openSlotBox(
  vaultId: Uint8Array,
  row: SlotRow,
  secret: SlotSecret,
  what: string,
): Promise<Buffer> {
  if (row.kind !== secret.kind) throw wrongKey(what);
  if (secret.kind === "file") {
    return openSecretBox(secret.key, slotContext(vaultId, row.id, "file"), row.box, what);
  }
  if (secret.kind === "recovery") {
    return openWithPrivateKey(secret.seed, slotContext(vaultId, row.id, "recovery"), row.box, what);
  }
  const { salt, cost } = parametersOf(row, what);
  using key = new SecretBytes(await stretchBeside(secret.passphrase, salt, cost));
  return openSecretBox(key.bytes, passphraseContext(vaultId, row.id, salt, cost), row.box, what);
}

/**
 * The root key from the first slot that the secret opens.
 *
 * @throws AppError `ERR_KEY_WRONG` when it opens none, `ERR_VAULT_DAMAGED` when it opens none and one was changed.
 */
export async function openAnySlot(
  vaultId: Uint8Array,
  rows: readonly SlotRow[],
  secret: SlotSecret,
): Promise<SecretBytes> {
  let damage: AppError | undefined;
  for (const row of rows) {
    if (row.kind !== secret.kind) continue;
    try {
      return await openSlot(vaultId, row, secret);
    } catch (error) {
      if (isAppError(error, "ERR_VAULT_DAMAGED")) damage ??= error;
      else if (!isAppError(error, "ERR_KEY_WRONG")) throw error;
    }
  }
  throw damage ?? wrongKey("The vault");
}

/** The public key that belongs to a kit's seed. */
export function kitPublicKey(seed: Uint8Array): Buffer {
  return keyPairFromSeed(seed).publicKey;
}

/** Of a recovery slot whose kit is not active yet; undefined for every other slot. */
export function pendingKitOf(row: Pick<SlotRow, "kind" | "parameters" | "id">): PendingKit | undefined {
  if (row.kind !== "recovery" || row.parameters === null) return undefined;
  const parsed = pendingKit.safeParse(parseJson(row.parameters));
  if (!parsed.success) throw vaultDamaged(`The unlock slot ${row.id}`, "has malformed parameters");
  return parsed.data;
}

function parametersOf(row: SlotRow, what: string): { salt: Buffer; cost: Argon2Parameters } {
  const parsed = passphraseParameters.safeParse(parseJson(row.parameters ?? ""));
  if (!parsed.success) throw vaultDamaged(what, "has malformed parameters");
  const { salt, ...cost } = parsed.data;
  return { salt: Buffer.from(salt, "hex"), cost };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function slotContext(vaultId: Uint8Array, id: string, kind: "file" | "recovery"): Buffer {
  return vaultContext("slot", vaultId, id, kind);
}

function passphraseContext(
  vaultId: Uint8Array,
  id: string,
  salt: Uint8Array,
  cost: Argon2Parameters,
): Buffer {
  return vaultContext("slot", vaultId, id, "passphrase", salt, cost.memoryKiB, cost.passes, cost.lanes);
}

function wrongKey(what: string): AppError {
  return new AppError("ERR_KEY_WRONG", `${what} does not open with this.`, {
    subject: what,
    remedy: "Check that the unlock file, passphrase or recovery kit belongs to this service's database.",
  });
}
