/**
 * The copies of a repository with what the read capability shows of them.
 *
 * @module
 */
import { type Copy, type CopyList, listCopies, type Repository, withDetails } from "@holdfast/repository";
import { SessionKeyring, requireKey } from "@holdfast/repository";
import type { Output } from "./output/output.ts";

export interface CopyFilter {
  readonly host: string | undefined;
  /** A copy must have them all. */
  readonly tags: readonly string[];
}

/** Needs the read capability. */
export async function readCopies(repository: Repository): Promise<CopyList<Copy>> {
  const { keys, ports } = repository;
  const keyring = new SessionKeyring(keys.repository, requireKey(keys, "privateSeed"));
  try {
    return withDetails(await listCopies(ports.storage, keys), keys, keyring);
  } finally {
    keyring.wipe();
  }
}

export function filterCopies(copies: readonly Copy[], { host, tags }: CopyFilter): readonly Copy[] {
  return copies.filter(
    ({ details }) =>
      (host === undefined || details.host === host) && tags.every((tag) => details.tags.includes(tag)),
  );
}

/** One warning for each manifest that cannot be read. */
export function warnOfDamaged(output: Output, list: CopyList<Copy>): void {
  for (const { code, message, remedy } of list.damaged) output.warning({ code, message, remedy });
}
