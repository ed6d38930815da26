/** `holdfast diff`: what changed from one copy to another. */
import { compareTrees, type Difference } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { accessForReading } from "../copy-reading.ts";
import type { JsonFields } from "../output/output.ts";
import { copyPathFields, displayPath } from "../output/printable.ts";
import { formatNumber } from "../output/quantity.ts";

const SIGNS: Readonly<Record<Difference["change"], string>> = {
  added: "+",
  removed: "-",
  modified: "M",
  metadata: "m",
};

export async function run(call: CommandCall): Promise<Exit> {
  const { output, signal } = call;
  await using access = await accessForReading(call);
  const before = access.copy(operand(call, 1));
  const after = access.copy(operand(call, 2));
  const counts = { added: 0, removed: 0, modified: 0, metadata: 0 };
  const differences = compareTrees(access.readRecord, before.table.root, after.table.root, signal);
  for await (const difference of differences) {
    counts[difference.change] += 1;
    if (output.isJson) output.event("difference", fieldsOf(difference));
    else output.text(`${SIGNS[difference.change]} ${displayPath(difference.path)}`);
  }
  const { added, removed, modified, metadata } = counts;
  output.text(
    `${formatNumber(added)} added, ${formatNumber(removed)} removed, ${formatNumber(modified)} modified, ` +
      `${formatNumber(metadata)} with other metadata.`,
  );
  output.summary({ before: before.id, after: after.id, ...counts });
  return EXIT.done;
}

function fieldsOf(difference: Difference): JsonFields {
  const before = "before" in difference ? difference.before : undefined;
  const after = "after" in difference ? difference.after : undefined;
  return {
    change: difference.change,
    ...copyPathFields(difference.path),
    kind: (after ?? before)?.kind,
    ...(before?.kind === "file" ? { sizeBefore: before.size } : {}),
    ...(after?.kind === "file" ? { sizeAfter: after.size } : {}),
  };
}
