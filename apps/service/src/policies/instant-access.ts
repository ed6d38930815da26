/**
 * Instant access: a copy of an image as a disk that is read while it is restored. At the High level it is refused, as long as an
 * administrator has not lifted the policy: our format reads anywhere at every level, but a company may want the strongest
 * encryption never to be opened piecemeal.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { instantAccessPolicy, type InstantAccessPolicyView } from "@holdfast/protocol";
import { findCopy } from "../copies/copy-rows.ts";
import type { Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { encryptionOf } from "../repositories/repositories.ts";
import { changePolicy, type PolicyDependencies, readPolicy } from "./policy-rows.ts";

const INSTANT_ACCESS = {
  name: "instant-access",
  schema: instantAccessPolicy,
  asItComes: { highLevelAllowed: false },
};

export async function readInstantAccessPolicy(db: Db): Promise<InstantAccessPolicyView> {
  return readPolicy(db, INSTANT_ACCESS);
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setInstantAccessPolicy(
  dependencies: PolicyDependencies,
  actor: Actor,
  highLevelAllowed: boolean,
  ifMatch: number | undefined,
): Promise<InstantAccessPolicyView> {
  const value = { highLevelAllowed };
  return changePolicy(dependencies, actor, INSTANT_ACCESS, { value, ifMatch, details: value });
}

/**
 * Whether this copy may be opened as a disk.
 *
 * @throws AppError `ERR_INSTANT_ACCESS_LEVEL` for one at the High level while the policy stands, `ERR_UNSUPPORTED` for a copy
 * that is no image, `ERR_NOT_FOUND`.
 */
export async function checkInstantAccess(db: Db, copyId: string): Promise<void> {
  const copy = await findCopy(db, copyId);
  const { highLevelAllowed } = await readInstantAccessPolicy(db);
  if (encryptionOf(copy.suite)?.level === "high" && !highLevelAllowed) {
    throw new AppError(
      "ERR_INSTANT_ACCESS_LEVEL",
      "This copy is encrypted at the High level: it cannot be opened as an iSCSI disk.",
      {
        subject: copyId,
        remedy:
          "Restore it in the ordinary way, or let an administrator allow it: PUT /api/v1/policies/instant-access.",
      },
    );
  }
  if (copy.kind !== "disk") {
    throw new AppError(
      "ERR_UNSUPPORTED",
      "Only a copy of a disk or of a virtual machine can be opened as a disk.",
      {
        subject: copyId,
        remedy: "Browse its files, or restore them.",
      },
    );
  }
}
