/**
 * Freezes the volumes of a backup's paths for as long as it takes.
 *
 * @module
 */
import { join } from "node:path";
import { AppError, isAppError } from "@holdfast/kernel";
import { currentPlatform } from "../platform/current-platform.ts";
import type { BackupWarning } from "../files-backup/request.ts";
import { removeLeft, SnapshotJournal } from "./journal.ts";
import type { SnapshotSystem, SourceMapping } from "./snapshot-system.ts";
import { runTool, type ToolRunner } from "../tools/tool-runner.ts";

export interface FreezeOptions {
  /** Where this program keeps what it must know after a restart. */
  readonly stateDir: string;
  readonly onWarning: (warning: BackupWarning) => void;
  readonly signal?: AbortSignal;
  /** For tests; default: those of this system. */
  readonly system?: SnapshotSystem | undefined;
  readonly run?: ToolRunner;
}

/** Disposing of it removes the snapshots; what cannot be removed is warned of, and tried again by the next one. */
export interface FrozenVolumes extends AsyncDisposable {
  /** For `BackupRequest.readFrom`. */
  readonly readFrom: readonly SourceMapping[];
}

const FOLDER = "snapshots";

/**
 * Makes a snapshot of every volume that the paths lie on. Paths on volumes that have none are warned of and read as they
 * are. Snapshots that a killed process has left are removed first.
 *
 * @param paths absolute, as given to the backup.
 * @throws AppError `ERR_UNSUPPORTED` on systems without snapshots, `ERR_SNAPSHOT`, `ERR_CANCELLED`.
 */
export async function freezeVolumes(
  paths: readonly Buffer[],
  options: FreezeOptions,
): Promise<FrozenVolumes> {
  const platform = currentPlatform();
  const { stateDir, onWarning, signal, run = runTool, system = platform.snapshots } = options;
  if (system === undefined) throw unsupported();
  const folder = join(stateDir, FOLDER);
  const onProblem = problemTeller(onWarning);
  await removeLeft(folder, system, run, onProblem);
  const { volumes, left } = system.volumesOf(paths.map(platform.paths.toTree));
  for (const path of left) {
    const message = `${platform.paths.shown(path)} is on a volume without snapshots and is read as it is.`;
    onWarning({ path: platform.paths.toSystem(path), code: "ERR_SNAPSHOT", message });
  }
  const journal = await SnapshotJournal.begin(folder);
  const release = (): Promise<void> => journal.removeAll(system, run, onProblem);
  const readFrom: SourceMapping[] = [];
  try {
    for (const volume of volumes) {
      signal?.throwIfAborted();
      const tools = {
        run,
        newFolder: () => journal.newFolder(),
        created: (record: Parameters<SnapshotJournal["note"]>[0]) => journal.note(record),
        ...(signal === undefined ? {} : { signal }),
      };
      readFrom.push(...(await system.create(volume, tools)));
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { readFrom, [Symbol.asyncDispose]: release };
}

/** Removes snapshots that a killed process has left: for a program that starts. Does nothing on systems without any. */
export async function removeLeftSnapshots(
  options: Pick<FreezeOptions, "stateDir" | "onWarning" | "system" | "run">,
): Promise<void> {
  const { stateDir, onWarning, run = runTool, system = currentPlatform().snapshots } = options;
  if (system === undefined) return;
  await removeLeft(join(stateDir, FOLDER), system, run, problemTeller(onWarning));
}

function problemTeller(onWarning: FreezeOptions["onWarning"]): (error: unknown) => void {
  return (error) => {
    if (isAppError(error)) {
      const { message, remedy = "", subject = "" } = error;
      onWarning({ path: Buffer.from(subject), code: error.code, message: `${message} ${remedy}`.trim() });
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const message = `A snapshot cannot be removed: ${reason}.`;
    onWarning({ path: Buffer.alloc(0), code: "ERR_SNAPSHOT", message });
  };
}

function unsupported(): AppError {
  return new AppError("ERR_UNSUPPORTED", "Snapshots of volumes are made on Windows and macOS only.", {
    subject: "snapshot",
    remedy: "Make one with LVM, Btrfs or ZFS, mount it, and back up the folder where it is mounted.",
  });
}
