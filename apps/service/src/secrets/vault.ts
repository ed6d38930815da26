/**
 * The vault as the other domains see it: values go in and come out, each bound to its object, version and field
 * (docs/security.md, section 1).
 *
 * @module
 */
import type { SecretBytes } from "@holdfast/crypto";
import type { Db, Transaction } from "../database/database.ts";

/** What keeps values in the vault. */
export type ObjectKind =
  | "password"
  | "proposal"
  | "encryption-key"
  | "repository"
  | "authority"
  | "totp"
  | "audit";

export interface ValueName {
  readonly kind: ObjectKind;
  readonly id: string;
  /** From 1. */
  readonly version: number;
  /** `value` where an object has only one. */
  readonly field: string;
}

export interface Vault {
  /** 16 random bytes. */
  readonly vaultId: Buffer;
  /**
   * X-Wing public key of the active recovery kit; undefined without a kit. Read each time, because another process may have
   * made a kit meanwhile.
   *
   * @throws AppError `ERR_VAULT_DAMAGED` when it is not the one that the vault's own box vouches for.
   */
  readonly recoveryPublicKey: (db: Db) => Promise<Buffer | undefined>;
  /** Stores a value for good; `value` stays the caller's to wipe. */
  readonly put: (transaction: Transaction, name: ValueName, value: Uint8Array) => Promise<void>;
  /**
   * @throws AppError `ERR_VAULT_DAMAGED` when it is missing or does not open: never "not set".
   */
  readonly get: (db: Db, name: ValueName) => Promise<SecretBytes>;
  /** seal(V, `head`): proves which version is current. */
  readonly sealHead: (kind: ObjectKind, id: string, version: number) => Buffer;
  /** @throws AppError `ERR_VAULT_DAMAGED` when the box is for another object or version. */
  readonly checkHead: (kind: ObjectKind, id: string, version: number, box: Buffer) => void;
  /** The audit key, for signatures only. */
  readonly signAudit: (bytes: Uint8Array) => Buffer;
  /** Ed25519, 32 bytes. */
  readonly auditPublicKey: Buffer;
}
