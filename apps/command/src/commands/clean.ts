/** `holdfast clean`: gives back the space that no copy needs. It takes no key that could read copies. */
import { AppError } from "@holdfast/kernel";
import { clean, type CleanResult, verifyObjects } from "@holdfast/repository";
import type { Storage } from "@holdfast/storage";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/printable.ts";
import { formatBytes, formatCount, formatTime } from "../output/quantity.ts";
import { accessRepository } from "../repository-access.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options, signal } = call;
  const dryRun = options.flag("dryRun");
  const checkPacks = options.flag("checkPacks");
  if (dryRun && checkPacks) {
    throw new AppError("ERR_USAGE", "--check-packs and --dry-run do not go together.", {
      remedy: "`holdfast verify` finds damage and changes nothing.",
    });
  }
  await using access = await accessRepository(call, ["maintain"]);
  const result = await clean(access.repository, {
    dryRun,
    ...(checkPacks ? { damagedPacks: await findDamagedPacks(call, access.storage) } : {}),
    signal,
    onProgress: ({ phase, done, total }) => {
      output.progress({ phase, objects: done, objectsTotal: total === 0 ? undefined : total });
    },
  });
  warnOf(result, output);
  for (const line of summaryLines(result, dryRun)) output.text(line);
  output.summary({ ...result, ...(dryRun ? { dryRun } : {}) });
  return result.damagedPacks.length + result.missingPacks.length > 0 ? EXIT.damaged : EXIT.done;
}

/** Hashes, in hex, that the content of their objects does not have. */
async function findDamagedPacks(
  { output, signal }: CommandCall,
  storage: Storage,
): Promise<readonly string[]> {
  const { damaged } = await verifyObjects(storage, {
    signal,
    onProgress: (progress) => output.progress({ phase: "checking", ...progress }),
  });
  return damaged.flatMap(({ object }) => /^packs\/..\/([\da-f]{64})$/u.exec(object)?.[1] ?? []);
}

function warnOf({ damagedPacks, missingPacks }: CleanResult, output: Output): void {
  const remedy =
    "Back up again: what is still where it came from is stored anew. `holdfast verify` names the files that nothing brings back.";
  for (const pack of damagedPacks) {
    const message = `The pack ${pack.slice(0, 12)}, which copies need, is damaged. It stays until they do not need it.`;
    output.warning({ code: "ERR_DAMAGED", message, remedy });
  }
  for (const pack of missingPacks) {
    const message = `The pack ${pack.slice(0, 12)}, which copies need, is missing. Packs that no index names are kept.`;
    output.warning({ code: "ERR_DAMAGED", message, remedy });
  }
}

function summaryLines(result: CleanResult, dryRun: boolean): readonly string[] {
  const { packsDeleted, packsRepacked, bytesFreed, bytesWritten, packsPending, bytesPending } = result;
  const packs = formatCount(packsDeleted, "pack");
  const repacked =
    packsRepacked === 0 ? "" : `, of which ${formatCount(packsRepacked, "pack")} were repacked`;
  const written = bytesWritten === 0 ? "" : ` and write ${formatBytes(bytesWritten)} anew`;
  const lines = dryRun
    ? [`Would give back ${formatBytes(bytesFreed)} in ${packs}${repacked}${written}. Nothing was changed.`]
    : [`Gave back ${formatBytes(bytesFreed)}: deleted ${packs}${repacked}.`];
  if (result.indexRepaired) lines.push("The index had gaps and was written anew from the packs.");
  if (packsPending > 0) {
    lines.push(
      `${formatBytes(bytesPending)} in ${formatCount(packsPending, "pack")} wait for a later run: ${pendingText(result)}.`,
    );
  }
  return lines;
}

function pendingText({ pendingReason, waitingFor }: CleanResult): string {
  const others = waitingFor.map(({ host, startedMs }) => {
    const since = startedMs === undefined ? "" : ` since ${formatTime(startedMs)}`;
    // What follows the slash tells machines of the same name apart; people do without.
    return `${printable(host.split("/")[0] ?? "") || "an unknown machine"}${since}`;
  });
  if (others.length > 0) return `others are at work (${others.join(", ")})`;
  return pendingReason === undefined ? "they were found just now" : REASONS[pendingReason];
}

const REASONS: Readonly<Record<NonNullable<CleanResult["pendingReason"]>, string>> = {
  sessions: "others are at work",
  "stale lists": "this storage shows changes late, so that others may not know of it yet",
};
