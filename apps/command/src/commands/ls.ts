/** `holdfast ls`: what is in a copy. */
import { type Entry, joinPath, listDirectory, lookup, walkUnder } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { accessForReading, type ReadingAccess } from "../copy-reading.ts";
import { entryFields, entryLine } from "../entry-text.ts";
import { copyPath } from "../raw-arguments.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options, signal } = call;
  await using access = await accessForReading(call);
  const copy = access.copy(operand(call, 1));
  const asked = call.operands[2];
  const path = copyPath(asked ?? "");
  // A path is listed like a folder; a copy as a whole.
  const isDeep = asked === undefined || options.flag("recursive");
  let entries = 0;
  let bytes = 0;
  for await (const [entryPath, entry] of found(access, copy.table.root, path, isDeep, signal)) {
    entries += 1;
    if (entry.kind === "file") bytes += entry.size;
    if (output.isJson) output.event("entry", entryFields(entryPath, entry));
    else output.text(entryLine(entryPath, entry));
  }
  output.summary({ copy: copy.id, entries, bytes });
  return EXIT.done;
}

type TreeRoot = Parameters<typeof walkUnder>[1];

async function* found(
  { readRecord }: ReadingAccess,
  root: TreeRoot,
  path: Buffer,
  isDeep: boolean,
  signal: AbortSignal,
): AsyncGenerator<readonly [Buffer, Entry], void, undefined> {
  if (isDeep) {
    for await (const { directory, entries } of walkUnder(readRecord, root, path, signal)) {
      for (const entry of entries) yield [joinPath(directory, entry.name), entry];
    }
    return;
  }
  const itself = await lookup(readRecord, root, path);
  if (itself !== undefined && itself.kind !== "directory") {
    yield [path, itself];
    return;
  }
  for await (const entries of listDirectory(readRecord, root, path, signal)) {
    for (const entry of entries) yield [joinPath(path, entry.name), entry];
  }
}
