/**
 * What a lease carries of a repository: the keys of a capability, derived from the root secret, which never leaves.
 *
 * @module
 */
import type { LeasePayload } from "@holdfast/protocol";
import { type Capability, deriveKeySet, wipeKeySet } from "@holdfast/repository";
import type { Db } from "../database/database.ts";
import type { Vault } from "../secrets/vault.ts";
import { findRepository, originOf, rootSecretOf } from "./repositories.ts";

type LeasedKeys = NonNullable<LeasePayload["repository"]>;

/** @throws AppError `ERR_VAULT_DAMAGED`. */
export async function leaseCapability(
  db: Db,
  vault: Vault,
  repositoryId: string,
  capability: Capability,
): Promise<LeasedKeys> {
  using root = await rootSecretOf(db, vault, repositoryId);
  const repository = originOf(await findRepository(db, repositoryId));
  const keys = deriveKeySet(root.bytes, Buffer.from(repository, "hex"), [capability]);
  try {
    const { tableKey, idKey, chunkerKey, publicKey, privateSeed } = keys;
    return {
      repository,
      tableKey: tableKey.toString("base64"),
      ...(idKey === undefined ? {} : { idKey: idKey.toString("base64") }),
      ...(chunkerKey === undefined ? {} : { chunkerKey: chunkerKey.toString("base64") }),
      ...(publicKey === undefined ? {} : { publicKey: publicKey.toString("base64") }),
      ...(privateSeed === undefined ? {} : { privateSeed: privateSeed.toString("base64") }),
    };
  } finally {
    wipeKeySet(keys);
  }
}
