/**
 * The keys of a repository and the capabilities they make (docs/format.md, section 3).
 *
 * @module
 */
import { deriveKey, keyPairFromSeed, sha256 } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";

/** What the holder of a key set can do; each can be handed out without the others. */
export type Capability = "write" | "maintain" | "read";

/** Every capability has the table key. What a capability does not need is absent. */
export interface KeySet {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
  readonly idKey?: Buffer;
  readonly chunkerKey?: Buffer;
  /** X-Wing public key that session keys are sealed to. */
  readonly publicKey?: Buffer;
  /** X-Wing private seed: who has it can read copies. */
  readonly privateSeed?: Buffer;
}

export const ROOT_SECRET_BYTES = 32;

/** The public root secret of a repository that is not encrypted. */
export function openRootSecret(repository: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from("holdfast/1/unencrypted", "latin1"), repository]));
}

/** Derives the keys of the capabilities asked for; `rootSecret` stays the caller's to wipe. */
export function deriveKeySet(
  rootSecret: Uint8Array,
  repository: Buffer,
  capabilities: readonly Capability[],
): KeySet {
  const derive = (label: string): Buffer =>
    moveToShared(deriveKey(rootSecret, repository, `holdfast/1/${label}`, 32));
  const write = capabilities.includes("write");
  const read = capabilities.includes("read");
  return {
    repository,
    tableKey: derive("table"),
    ...(write || read ? { idKey: derive("id") } : {}),
    ...(write ? { chunkerKey: derive("chunker"), publicKey: publicKeyOf(rootSecret, repository) } : {}),
    ...(read ? { privateSeed: derive("kem") } : {}),
  };
}

/** Into memory that threads share: a posted key set leaves no copies behind, and wiping it wipes it everywhere. */
function moveToShared(key: Buffer): Buffer {
  const shared = Buffer.from(new SharedArrayBuffer(key.length));
  shared.set(key);
  key.fill(0);
  return shared;
}

export function publicKeyOf(rootSecret: Uint8Array, repository: Uint8Array): Buffer {
  const seed = deriveKey(rootSecret, repository, "holdfast/1/kem", 32);
  const { publicKey } = keyPairFromSeed(seed);
  seed.fill(0);
  return publicKey;
}

export function configKeyOf(keys: KeySet): Buffer {
  return deriveKey(keys.tableKey, keys.repository, "holdfast/1/config", 32);
}

/** Overwrites every key of a set. It must not be used any more. */
export function wipeKeySet(keys: KeySet): void {
  for (const key of [keys.tableKey, keys.idKey, keys.chunkerKey, keys.privateSeed]) key?.fill(0);
}

/** The named key. @throws AppError `ERR_CAPABILITY` when this key set was made without it. */
export function requireKey(keys: KeySet, name: "idKey" | "chunkerKey" | "publicKey" | "privateSeed"): Buffer {
  const key = keys[name];
  if (key === undefined) {
    const capability = name === "privateSeed" ? "read" : name === "idKey" ? "write or read" : "write";
    throw new AppError(
      "ERR_CAPABILITY",
      `This needs the ${capability} capability, which was not handed out.`,
      {
        remedy: "Open the repository with its encryption key.",
      },
    );
  }
  return key;
}
