/** `holdfast dump`: a file of a copy, to standard output. */
import { once } from "node:events";
import process from "node:process";
import { resolveCopy } from "@holdfast/repository";
import { dumpFile } from "@holdfast/sources";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { readCopies } from "../copy-listing.ts";
import { copyPath } from "../raw-arguments.ts";
import { accessRepository } from "../repository-access.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, signal } = call;
  await using access = await accessRepository(call, ["read"]);
  const copy = resolveCopy(await readCopies(access.repository), operand(call, 1));
  let bytes = 0;
  for await (const piece of dumpFile(access.repository, copy, copyPath(operand(call, 2)), { signal })) {
    bytes += piece.length;
    if (!process.stdout.write(piece)) await once(process.stdout, "drain", { signal });
  }
  output.summary({ copy: copy.id, bytes });
  return EXIT.done;
}
