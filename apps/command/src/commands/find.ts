/** `holdfast find`: in which copies there is something by a name. */
import { findEntries } from "@holdfast/repository";
import { createNameMatcher } from "@holdfast/sources";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { warnOfDamaged } from "../copy-listing.ts";
import { accessForReading } from "../copy-reading.ts";
import { entryFields, entryLine } from "../entry-text.ts";
import { printable } from "../output/printable.ts";
import { formatCount, formatTime } from "../output/quantity.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options, signal } = call;
  const matches = createNameMatcher(operand(call, 1));
  await using access = await accessForReading(call);
  const wanted = options.texts("copy");
  const copies = wanted.length === 0 ? access.copies.copies : wanted.map(access.copy);
  let found = 0;
  for (const { id, table, details } of copies) {
    let foundHere = 0;
    const entries = findEntries(access.readRecord, table.root, matches, { signal });
    for await (const { path, entry } of entries) {
      if (foundHere === 0) {
        output.text(`${id.slice(0, 12)}, ${formatTime(table.timeMs)}, ${printable(details.host)}:`);
      }
      foundHere += 1;
      if (output.isJson) output.event("found", { copy: id, ...entryFields(path, entry) });
      else output.text(`  ${entryLine(path, entry)}`);
    }
    found += foundHere;
  }
  output.text(found === 0 ? "Nothing was found." : `Found ${formatCount(found, "entry", "entries")}.`);
  warnOfDamaged(output, access.copies);
  output.summary({ found, copies: copies.length });
  return access.copies.damaged.length > 0 ? EXIT.damaged : EXIT.done;
}
