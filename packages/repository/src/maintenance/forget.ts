import { AppError } from "@holdfast/kernel";
import { hashedName } from "../format/object-names.ts";
import type { Repository } from "../repository.ts";

const COPY_ID = /^[0-9a-f]{64}$/;

/**
 * Forgets copies: deletes their manifests and nothing else, one after the other, so that a kill in between leaves every copy
 * whole or forgotten. Data that no copy needs is given back by `clean`. A copy that is forgotten already is no error;
 * damaged manifests can be forgotten, too.
 *
 * @param ids whole ids, 64 hexadecimal digits.
 * @throws AppError `ERR_COPY_NOT_FOUND` when something is no id at all, before anything is deleted; an error of the storage.
 */
export async function forgetCopies(repository: Repository, ids: readonly string[]): Promise<void> {
  const wrong = ids.find((id) => !COPY_ID.test(id));
  if (wrong !== undefined) {
    throw new AppError("ERR_COPY_NOT_FOUND", `"${wrong}" is no id of a copy.`, {
      subject: wrong,
      remedy: "`holdfast copies` shows the ids of all copies.",
    });
  }
  for (const id of ids) await repository.ports.storage.delete(hashedName("copy", Buffer.from(id, "hex")));
}
