/** `holdfast verify`: finds damage, and what it costs. */
import { AppError } from "@holdfast/kernel";
import {
  listCopies,
  resolveCopy,
  verifyObjects,
  type VerifyProgress,
  verifyRepository,
  type VerifyResult,
} from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { printable } from "../output/printable.ts";
import { formatBytes, formatCount, formatNumber } from "../output/quantity.ts";
import { accessRepository, locate } from "../repository-access.ts";
import { openNamedStorage } from "../storage-credentials.ts";

const PATHS_SHOWN = 20;

export async function run(call: CommandCall): Promise<Exit> {
  const { output } = call;
  const isKeyless = call.options.isDenied("key");
  const result = await (isKeyless ? verifyWithoutKey(call) : verifyWithKey(call));
  for (const damaged of result.damaged) {
    for (const line of damageLines(damaged, isKeyless)) output.text(line);
  }
  for (const line of summaryLines(call, result)) output.text(line);
  output.summary({ ...result });
  return result.damaged.length > 0 ? EXIT.damaged : EXIT.done;
}

async function verifyWithKey(call: CommandCall): Promise<VerifyResult> {
  const { options, configuration } = call;
  const wanted = call.operands.slice(1);
  const workers = options.number("workers") ?? configuration.workers;
  // Only the read capability can name the files that are touched.
  await using access = await accessRepository(call, ["read"]);
  const { storage, repository } = access;
  const list = wanted.length === 0 ? undefined : await listCopies(storage, repository.keys);
  return await verifyRepository(repository, {
    ...(list === undefined ? {} : { copies: wanted.map((copy) => resolveCopy(list, copy).id) }),
    readData: options.flag("readData"),
    ...(workers === undefined ? {} : { workers }),
    ...listeners(call),
  });
}

async function verifyWithoutKey(call: CommandCall): Promise<VerifyResult> {
  const { options, configuration } = call;
  if (call.operands.length > 1 || options.flag("readData")) {
    throw new AppError("ERR_USAGE", "Without a key neither single copies nor data can be verified.", {
      remedy: "Leave out --no-key, or the copies and --read-data.",
    });
  }
  const workers = options.number("workers") ?? configuration.workers;
  await using storage = await openNamedStorage(call, locate(call, operand(call, 0)));
  return await verifyObjects(storage, { ...(workers === undefined ? {} : { workers }), ...listeners(call) });
}

function listeners({ output, signal }: CommandCall): {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: VerifyProgress) => void;
} {
  return { signal, onProgress: (progress) => output.progress(progress) };
}

function damageLines(damaged: VerifyResult["damaged"][number], isKeyless: boolean): readonly string[] {
  const { object, message, copies, paths, pathsLeftOut } = damaged;
  const lines = [`${printable(object)}: ${printable(message)}`];
  if (isKeyless) return [...lines, "  Which copies need it is known only with the key."];
  // A copy of which pages are gone does not say what it needs.
  if (copies.length === 0) return [...lines, "  No file that was found in a copy is lost with it."];
  lines.push(`  Copies that lose something: ${copies.map((id) => id.slice(0, 12)).join(", ")}`);
  for (const path of paths.slice(0, PATHS_SHOWN)) lines.push(`  ${printable(path)}`);
  const more = paths.length - Math.min(paths.length, PATHS_SHOWN) + pathsLeftOut;
  return more === 0 ? lines : [...lines, `  and ${formatCount(more, "more path")}`];
}

function summaryLines({ options }: CommandCall, result: VerifyResult): readonly string[] {
  const { objects, bytes, damaged } = result;
  const checked = `Checked ${formatCount(objects, "object")}, ${formatBytes(bytes)}`;
  if (damaged.length > 0) {
    return [
      `${checked}: ${formatNumber(damaged.length)} DAMAGED or missing.`,
      "Put the damaged objects back from a replica, under the same names. Without one: `holdfast clean --check-packs`, then " +
        "`holdfast backup`: what is still where it came from is stored anew, and heals older copies too.",
    ];
  }
  if (options.isDenied("key")) {
    return [`${checked}: every object is whole. What copies refer to was not checked: that takes the key.`];
  }
  return options.flag("readData")
    ? [`${checked}: everything is whole, down to each byte of each file.`]
    : [
        `${checked}: every object is whole and every reference leads somewhere. --read-data also opens the content.`,
      ];
}
