import { lstatSync } from "node:fs";
import { join } from "node:path";
import { joinPath, type ReadRecord, walkWhatIsLeft } from "@holdfast/repository";
import type { RestoreRequest } from "./request.ts";
import type { RestoreTotals } from "./restore-totals.ts";

/** Counts what a restore would write: nothing is written, and no content is read. */
export async function countWanted(
  request: RestoreRequest,
  readRecord: ReadRecord,
  totals: RestoreTotals,
): Promise<void> {
  const { include, signal } = request;
  const pages = walkWhatIsLeft(readRecord, request.copy.table.root, {
    signal,
    onLost: ({ firstPath, entries, error }) => {
      totals.damaged += entries ?? 1;
      totals.notice({ path: firstPath, code: "ERR_DAMAGED", message: error.message });
    },
  });
  for await (const { sections } of pages) {
    for (const { directory, entries } of sections) {
      for (const entry of entries) {
        const path = joinPath(directory, entry.name);
        if (include !== undefined && include.match(path, entry.kind) !== "inside") continue;
        if (entry.kind === "directory") totals.folders += 1;
        else if (request.existing === "skip" && isThere(request.target, path)) totals.skipped += 1;
        else {
          totals.files += 1;
          totals.addBytes(entry.kind === "file" ? entry.size : 0);
        }
      }
    }
  }
}

function isThere(target: string, path: Buffer): boolean {
  const full = Buffer.concat([Buffer.from(join(target, "/")), path]);
  try {
    return lstatSync(full, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A part of the way is no folder: the restore itself will say so.
    return false;
  }
}
