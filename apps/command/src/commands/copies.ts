/** `holdfast copies`: lists the copies, oldest first. */
import type { Copy } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { filterCopies, readCopies, warnOfDamaged } from "../copy-listing.ts";
import { type Encryption, encryptionOf } from "../encryption.ts";
import type { JsonFields } from "../output/output.ts";
import { displayBytes, printable } from "../output/printable.ts";
import { formatBytes, formatCount, formatNumber, formatTime } from "../output/quantity.ts";
import { type Column, formatTable } from "../output/table.ts";
import { accessRepository } from "../repository-access.ts";

const COLUMNS: readonly Column[] = [
  { title: "id" },
  { title: "time" },
  { title: "host" },
  { title: "kind" },
  { title: "size", align: "right" },
  { title: "files", align: "right" },
  { title: "tags" },
  { title: "paths" },
];
const ID_CHARACTERS_SHOWN = 12;

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options } = call;
  await using access = await accessRepository(call, ["read"]);
  const list = await readCopies(access.repository);
  const copies = filterCopies(list.copies, { host: options.text("host"), tags: options.texts("tag") });
  const encryption = encryptionOf(access.repository.config.suite);
  const elements = copies.map((copy) => copyFields(copy, encryption));
  for (const element of elements) output.event("copy", element);
  if (copies.length > 0) for (const line of formatTable(COLUMNS, copies.map(copyRow))) output.text(line);
  output.text(summaryLine(copies));
  warnOfDamaged(output, list);
  output.summary({ copies: elements, damaged: list.damaged.length });
  return list.damaged.length > 0 ? EXIT.damaged : EXIT.done;
}

function copyFields({ id, table, details }: Copy, encryption: Encryption | null): JsonFields {
  return {
    id,
    time: new Date(table.timeMs).toISOString(),
    host: details.host,
    kind: table.kind,
    paths: details.paths.map((path) => path.toString("utf8")),
    pathsBase64: details.paths.map((path) => path.toString("base64")),
    tags: details.tags,
    size: table.root.bytes,
    encryption,
    name: details.name,
    files: details.files,
    directories: details.directories,
    bytesAdded: table.bytesAdded,
    warnings: details.warnings,
    program: details.program,
  };
}

function copyRow({ id, table, details }: Copy): readonly string[] {
  return [
    id.slice(0, ID_CHARACTERS_SHOWN),
    formatTime(table.timeMs),
    printable(details.host),
    table.kind,
    formatBytes(table.root.bytes),
    formatNumber(details.files),
    printable(details.tags.join(",")),
    details.paths.map(displayBytes).join(" "),
  ];
}

function summaryLine(copies: readonly Copy[]): string {
  return copies.length === 0 ? "There are no copies." : `${formatCount(copies.length, "copy", "copies")}.`;
}
