/** `holdfast replicate`: copies a repository, or copies in it, to another storage. It takes no key that could read them. */
import { listCopies, replicate, type ReplicateResult, resolveCopy } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { formatBytes, formatCount, formatNumber } from "../output/quantity.ts";
import { accessRepository, locate } from "../repository-access.ts";
import { openReplicaStorage } from "../storage-credentials.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, signal } = call;
  const wanted = call.operands.slice(2);
  await using access = await accessRepository(call, ["maintain"]);
  await using target = await openReplicaStorage(call, locate(call, operand(call, 1)));
  const list = wanted.length === 0 ? undefined : await listCopies(access.storage, access.repository.keys);
  const result = await replicate(access.repository, target, {
    ...(list === undefined ? {} : { copies: wanted.map((copy) => resolveCopy(list, copy).id) }),
    signal,
    onProgress: ({ packsDone, packsTotal, bytesDone, bytesTotal }) => {
      output.progress({ objects: packsDone, objectsTotal: packsTotal, bytes: bytesDone, bytesTotal });
    },
  });
  warn(call, result);
  const { copied, present, damaged, packsCopied, bytesCopied } = result;
  output.text(
    `Replicated ${formatCount(copied.length, "copy", "copies")} to ${target.location}; ` +
      `${formatNumber(present.length)} were there already. Stored ${formatBytes(bytesCopied)} in ` +
      `${formatCount(packsCopied, "pack")}.`,
  );
  output.summary({ ...result });
  if (damaged.length > 0) return EXIT.damaged;
  return result.slotsOnlyInTarget.length > 0 ? EXIT.warnings : EXIT.done;
}

function warn({ output }: CommandCall, { damaged, slotsOnlyInTarget }: ReplicateResult): void {
  for (const id of damaged) {
    output.warning({
      code: "ERR_DAMAGED",
      message: `The copy ${id.slice(0, 12)} is damaged and was not replicated.`,
      remedy: "Run `holdfast verify` on the source to learn what it loses.",
    });
  }
  for (const id of slotsOnlyInTarget) {
    output.warning({
      message: `The key ${id.slice(0, 12)} was removed from the source, but still opens the target.`,
      remedy: "If it is not to, remove it there with `holdfast key remove TARGET`.",
    });
  }
}
