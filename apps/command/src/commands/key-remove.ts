/** `holdfast key remove`: removes a slot, never the last one. */
import { removeSlot } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { accessRepository } from "../repository-access.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output } = call;
  // Whoever removes a key must have one, although the storage would let anybody.
  await using access = await accessRepository(call, ["maintain"]);
  const id = await removeSlot(
    access.storage,
    access.repository.keys.repository,
    operand(call, 1).toLowerCase(),
  );
  output.text(`Removed the key ${id.slice(0, 12)}. It does not open the repository any more.`);
  output.text(
    "Who had it may have kept what it opened: for data that must stay secret from them, make a new repository.",
  );
  output.summary({ id });
  return EXIT.done;
}
