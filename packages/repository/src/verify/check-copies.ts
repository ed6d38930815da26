/**
 * Checks the small objects and gives the copies whose manifests are good.
 *
 * @module
 */
import type { Storage } from "@holdfast/storage";
import type { ListedCopy } from "../copies/copies.ts";
import { decodeManifest, openTable } from "../copies/manifest.ts";
import { PREFIXES } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import type { SessionKeyring } from "../packs/session-keys.ts";
import { getIfThere } from "../storage-reading.ts";
import { checkSmallObject } from "./check-small-object.ts";
import type { ListedObject } from "./object-list.ts";
import type { DamageReport } from "./report.ts";
import type { VerifyTally } from "./verify-tally.ts";

export interface CheckCopiesParts {
  readonly storage: Storage;
  readonly keys: KeySet;
  readonly keyring: SessionKeyring | undefined;
  readonly report: DamageReport;
  readonly tally: VerifyTally;
}

/** @returns the copies, oldest first. */
export async function checkCopies(
  objects: readonly ListedObject[],
  { storage, keys, keyring, report, tally }: CheckCopiesParts,
): Promise<ListedCopy[]> {
  const copies: ListedCopy[] = [];
  for (const object of objects) {
    const { name, kind } = object;
    const bytes = await getIfThere(storage, name);
    // Sessions end and copies are forgotten at any time.
    if (bytes === undefined) continue;
    tally.add(bytes.length);
    const id = name.slice(PREFIXES.copy.length);
    const problems = checkSmallObject(bytes, object, { keys, keyring });
    for (const problem of problems) {
      report.add(name, problem);
      if (kind === "copy") report.touch(name, id);
    }
    if (kind !== "copy" || problems.length > 0) continue;
    const manifest = decodeManifest(bytes, id, keys.repository);
    copies.push({ id, name, manifest, table: openTable(manifest, keys.tableKey) });
  }
  return copies.toSorted((one, other) => one.table.timeMs - other.table.timeMs);
}
