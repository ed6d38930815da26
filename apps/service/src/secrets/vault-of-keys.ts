/**
 * The contract of the vault over its keys.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { sealBox, sha256, type SigningKey } from "@holdfast/crypto";
import type { Db } from "../database/database.ts";
import type { ObjectKind, Vault } from "./vault.ts";
import { openVaultBox, vaultDamaged } from "./vault-boxes.ts";
import { vaultContext } from "./vault-context.ts";
import { type VaultKeys, wipeVaultKeys } from "./vault-keys.ts";
import { getValue, putValue, type ValuePorts } from "./vault-values.ts";

/** A vault together with its keys, for those who manage it: slots, keyring, recovery kit. */
export interface OpenedVault extends Vault, Disposable {
  readonly keys: VaultKeys;
}

const NOTHING = Buffer.alloc(0);

export function vaultOfKeys(keys: VaultKeys, auditKey: SigningKey, ports: ValuePorts): OpenedVault {
  const headContext = (kind: ObjectKind, id: string, version: number): Buffer =>
    vaultContext("head", keys.vaultId, kind, id, version);
  return {
    keys,
    vaultId: keys.vaultId,
    auditPublicKey: auditKey.publicKey,
    recoveryPublicKey: (db) => readRecoveryKey(db, keys),
    put: (transaction, name, value) => putValue(transaction, keys, ports, name, value),
    get: (db, name) => getValue(db, keys, name),
    sealHead: (kind, id, version) =>
      sealBox(keys.root.bytes, headContext(kind, id, version), NOTHING, ports.randomness),
    checkHead: (kind, id, version, box) => {
      openVaultBox(
        keys.root.bytes,
        headContext(kind, id, version),
        box,
        `The current version of ${kind} ${id}`,
      );
    },
    signAudit: auditKey.sign,
    [Symbol.dispose]: () => {
      wipeVaultKeys(keys);
    },
  };
}

/** Seals what vouches for the public key of a recovery kit: its hash. */
export function sealRecoveryHash(keys: VaultKeys, publicKey: Uint8Array, ports: ValuePorts): Buffer {
  const context = vaultContext("recovery", keys.vaultId);
  return sealBox(keys.root.bytes, context, sha256(publicKey), ports.randomness);
}

/** @throws AppError `ERR_VAULT_DAMAGED` when V does not vouch for the key. */
export function checkRecoveryKey(keys: VaultKeys, publicKey: Uint8Array, box: Uint8Array): void {
  const what = "The public key of the recovery kit";
  const hash = openVaultBox(keys.root.bytes, vaultContext("recovery", keys.vaultId), box, what);
  const actual = sha256(publicKey);
  if (hash.length !== actual.length || !timingSafeEqual(hash, actual)) {
    throw vaultDamaged(what, "was exchanged");
  }
}

async function readRecoveryKey(db: Db, keys: VaultKeys): Promise<Buffer | undefined> {
  const row = await db.selectFrom("vault").select(["recovery_public_key", "recovery_box"]).executeTakeFirst();
  if (row === undefined) throw vaultDamaged("The head of the vault", "is missing");
  const { recovery_public_key: publicKey, recovery_box: box } = row;
  if (publicKey === null && box === null) return undefined;
  if (publicKey === null || box === null) {
    throw vaultDamaged("The public key of the recovery kit", "is there only in part");
  }
  checkRecoveryKey(keys, publicKey, box);
  return publicKey;
}
