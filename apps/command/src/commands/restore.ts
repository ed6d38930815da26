/** `holdfast restore`: writes a copy back below a folder. */
import { resolve } from "node:path";
import { AppError } from "@holdfast/kernel";
import {
  type Copy,
  lookup,
  openCopyReader,
  type Repository,
  resolveCopy,
  rootedPath,
} from "@holdfast/repository";
import {
  createInclusion,
  hasPattern,
  includePatterns,
  restoreFiles,
  type RestoreSummary,
} from "@holdfast/sources";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { readCopies } from "../copy-listing.ts";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../output/quantity.ts";
import { copyPath } from "../raw-arguments.ts";
import { accessRepository } from "../repository-access.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options, configuration, signal } = call;
  if (options.text("disk") !== undefined) throw noDisks();
  const target = options.text("target");
  if (target === undefined) throw noTarget();
  const includes = options.texts("include");
  const dryRun = options.flag("dryRun");
  const workers = options.number("workers") ?? configuration.workers;
  await using access = await accessRepository(call, ["read"]);
  const copy = resolveCopy(await readCopies(access.repository), operand(call, 1));
  await checkIncludes(access.repository, copy, includes);
  const summary = await restoreFiles(access.repository, {
    copy,
    target: resolve(target),
    ...(includes.length === 0 ? {} : { include: createInclusion(includes.flatMap(includePatterns)) }),
    existing: existingPolicy(options.text("existing")),
    dryRun,
    durable: true,
    ...(workers === undefined ? {} : { workers }),
    signal,
    onProgress: ({ files, bytes, bytesTotal }) => {
      // Of a part of a copy the total is not known.
      output.progress({ files, bytes, bytesTotal: includes.length === 0 ? bytesTotal : undefined });
    },
    onWarning: ({ path, code, message }) => output.warning({ path: rootedPath(path), code, message }),
  });
  if (summary.files + summary.folders + summary.skipped === 0 && includes.length > 0)
    throw nothingNamed(includes);
  for (const line of summaryLines(summary, dryRun)) output.text(line);
  output.summary({ copy: copy.id, target: resolve(target), ...summary, ...(dryRun ? { dryRun } : {}) });
  if (summary.damaged > 0) return EXIT.damaged;
  return summary.warnings > 0 ? EXIT.warnings : EXIT.done;
}

function existingPolicy(text: string | undefined): "skip" | "overwrite" | "keep-both" {
  return text === "overwrite" || text === "keep-both" ? text : "skip";
}

/** A typing error in a path is told before anything is written. */
async function checkIncludes(repository: Repository, copy: Copy, includes: readonly string[]): Promise<void> {
  const literal = includes.filter((include) => copyPath(include).length > 0 && !hasPattern(include));
  if (literal.length === 0) return;
  using reader = await openCopyReader(repository);
  for (const include of literal) {
    const entry = await lookup(reader.readRecord, copy.table.root, copyPath(include));
    if (entry === undefined) throw nothingNamed([include]);
  }
}

function summaryLines(summary: RestoreSummary, dryRun: boolean): readonly string[] {
  const { files, folders, skipped, bytes, seconds, warnings, damaged } = summary;
  const what = `${formatCount(files, "file")} in ${formatCount(folders, "folder")}, ${formatBytes(bytes)}`;
  if (dryRun) return [`Would restore ${what}. Nothing was written.`];
  const lines = [`Restored ${what}, in ${formatSeconds(seconds)}.`];
  if (skipped > 0) {
    lines.push(
      `Left alone because ${skipped === 1 ? "it was" : "they were"} there already: ${formatNumber(skipped)} (--existing says what to do).`,
    );
  }
  if (warnings > 0) lines.push(`With ${formatCount(warnings, "warning")}: see above.`);
  if (damaged > 0) lines.push(`${formatNumber(damaged)} could not be restored because of damaged data.`);
  return lines;
}

function nothingNamed(includes: readonly string[]): AppError {
  const named = includes.join(", ");
  return new AppError("ERR_PATH_NOT_FOUND", `The copy has nothing by the name ${named}.`, {
    subject: named,
    remedy: "`holdfast ls` shows what is in it, `holdfast find` where something is.",
  });
}

function noTarget(): AppError {
  return new AppError("ERR_USAGE", "No folder was given to restore to.", {
    remedy: "Name one with --target DIR; it is made where it is missing.",
  });
}

function noDisks(): AppError {
  return new AppError("ERR_UNSUPPORTED", "Disks are not written back yet.", {
    subject: "--disk",
    remedy: "Restore files with --target DIR.",
  });
}
