/** `holdfast backup`: makes a copy of files. It holds no key that could read one. */
import { hostname } from "node:os";
import { dirname } from "node:path";
import { AppError } from "@holdfast/kernel";
import {
  backupFiles,
  type BackupResult,
  type BackupWarning,
  createSelection,
  freezeVolumes,
  type FrozenVolumes,
} from "@holdfast/sources";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../output/quantity.ts";
import { argumentPath } from "../raw-arguments.ts";
import { accessRepository } from "../repository-access.ts";
import { version } from "../version.ts";

/** Of zstd: a good ratio at a speed that storages do not outrun. */
const COMPRESSION_DEFAULT = 3;

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options, configuration, signal } = call;
  if (options.text("disk") !== undefined) throw noDisks();
  const paths = call.operands.slice(1).map(argumentPath);
  if (paths.length === 0) throw noPaths();
  const oneFileSystem = options.flag("oneFileSystem");
  const selection = createSelection({
    exclude: [...configuration.exclude, ...options.texts("exclude")],
    excludeFiles: [...configuration.excludeFiles, ...options.texts("excludeFile")],
    oneFileSystem,
    roots: paths,
  });
  const dryRun = options.flag("dryRun");
  const workers = options.number("workers") ?? configuration.workers;
  const name = options.text("name");
  await using access = await accessRepository(call, ["write"]);
  await using frozen = await freeze(call, paths, access.repository.ports.cacheDir);
  const result = await backupFiles(access.repository, {
    paths,
    selection,
    oneFileSystem,
    readFrom: frozen.readFrom,
    host: options.text("host") ?? configuration.host ?? hostname(),
    tags: [...new Set([...configuration.tags, ...options.texts("tag")])],
    program: `holdfast ${version()}`,
    compressionLevel: options.number("compression") ?? configuration.compression ?? COMPRESSION_DEFAULT,
    ...(name === undefined ? {} : { name }),
    ...(workers === undefined ? {} : { workers }),
    dryRun,
    signal,
    onProgress: ({ files, bytes, filesExpected, bytesExpected }) => {
      output.progress({ files, bytes, filesTotal: filesExpected, bytesTotal: bytesExpected });
    },
    onWarning: (warning) => output.warning(warning),
  });
  for (const line of dryRun ? dryRunLines(result) : summaryLines(result)) output.text(line);
  output.summary({ ...result, ...(dryRun ? { dryRun } : {}) });
  return result.warnings > 0 ? EXIT.warnings : EXIT.done;
}

/** What other programs may go on to change; everything is read as it is without --snapshot. */
async function freeze(
  { options, output, signal }: CommandCall,
  paths: readonly Buffer[],
  cacheDir: string | undefined,
): Promise<FrozenVolumes> {
  if (!options.flag("snapshot")) return { readFrom: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  if (cacheDir === undefined) throw new Error("there is no folder for what must outlast this run");
  // One for all repositories: each run removes what a killed one has left.
  const stateDir = dirname(cacheDir);
  const onWarning = (warning: BackupWarning): void => output.warning(warning);
  return freezeVolumes(paths, { stateDir, onWarning, signal });
}

function summaryLines(result: BackupResult): readonly string[] {
  const { copyId = "", filesNew, filesChanged, filesUnchanged } = result;
  const { bytesRead, bytesAdded, bytesStored, seconds, warnings } = result;
  const lines = [
    `Copy ${copyId.slice(0, 12)}: ${formatCount(filesNew, "new file")}, ` +
      `${formatNumber(filesChanged)} changed, ${formatNumber(filesUnchanged)} unchanged.`,
    `Read ${formatBytes(bytesRead)} in ${formatSeconds(seconds)}; ${formatBytes(bytesAdded)} were new to the ` +
      `repository and take ${formatBytes(bytesStored)} there.`,
  ];
  return warnings === 0 ? lines : [...lines, `With ${formatCount(warnings, "warning")}: see above.`];
}

function dryRunLines(result: BackupResult): readonly string[] {
  const { filesNew, filesChanged, filesUnchanged, bytesAdded } = result;
  return [
    `Would back up ${formatCount(filesNew, "new file")}, ${formatNumber(filesChanged)} changed, ` +
      `${formatNumber(filesUnchanged)} unchanged, and read ${formatBytes(bytesAdded)}. Nothing was written.`,
  ];
}

function noPaths(): AppError {
  return new AppError("ERR_USAGE", "There is nothing to back up: no path was given.", {
    remedy: "Name files and folders: holdfast backup STORAGE PATH...",
  });
}

function noDisks(): AppError {
  return new AppError("ERR_UNSUPPORTED", "Copies of disks are not made yet.", {
    subject: "--disk",
    remedy: "Back up the files on it: holdfast backup STORAGE PATH...",
  });
}
