/**
 * Snapshots of the data volume of macOS: tmutil(8) makes and deletes them, mount_apfs(8) mounts them. Written from the
 * manual pages; never run (docs/platforms.md).
 *
 * What people see as one tree are two volumes: the system's own, which is sealed, and the data, whose folders are reached
 * through firmlinks. Other disks, below /Volumes, are not frozen.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { snapshotError } from "./snapshot-error.ts";
import type { SnapshotSystem } from "./snapshot-system.ts";

const DATA_VOLUME = "/System/Volumes/Data";
/** Of /usr/share/firmlinks, those that hold what people and programs write. */
const ON_DATA = ["Applications", "Library", "Users", "cores", "opt", "private", "usr/local"];
/** Of the sealed volume, which does not change. */
const SEALED = ["System", "bin", "sbin", "usr"];
const CREATED = /^Created local snapshot with date: (\d{4}-\d{2}-\d{2}-\d{6})\s*$/mu;
const DATE = /^\d{4}-\d{2}-\d{2}-\d{6}$/u;
const TIMEOUT_MS = 120_000;

const TMUTIL = "/usr/bin/tmutil";
const MOUNT = "/sbin/mount_apfs";
const UNMOUNT = "/sbin/umount";

export const APFS_SNAPSHOTS: SnapshotSystem = {
  volumesOf: (paths) => {
    const left = paths.filter((path) => !touchesData(path) && !isSealed(path));
    return { volumes: paths.some(touchesData) ? [DATA_VOLUME] : [], left };
  },
  create: async (volume, { run, newFolder, created, signal }) => {
    const call = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
    const made = await run({ ...call, program: TMUTIL, words: ["localsnapshot"] });
    const id = CREATED.exec(made.output)?.[1];
    if (id === undefined) {
      if (signal?.aborted === true) throw new AppError("ERR_CANCELLED", "The backup was cancelled.");
      throw notFrozen(volume, made.problem || "tmutil named no snapshot");
    }
    await created({ id });
    const mountPoint = await newFolder();
    await created({ id, mountPoint });
    const words = ["-o", "ro,nobrowse", "-s", `com.apple.TimeMachine.${id}.local`, volume, mountPoint];
    const mounted = await run({ program: MOUNT, words, timeoutMs: TIMEOUT_MS });
    if (mounted.code !== 0) throw notFrozen(volume, mounted.problem);
    return ON_DATA.map((path) => ({ path, source: `${mountPoint}/${path}` }));
  },
  remove: async ({ id, mountPoint }, run) => {
    if (!DATE.test(id)) return;
    // Where it is not mounted any more, that fails; what matters is whether the snapshot goes.
    if (mountPoint !== undefined) await run({ program: UNMOUNT, words: [mountPoint], timeoutMs: TIMEOUT_MS });
    const words = ["deletelocalsnapshots", id];
    const { code, problem } = await run({ program: TMUTIL, words, timeoutMs: TIMEOUT_MS });
    if (code === 0) return;
    const listed = await run({ program: TMUTIL, words: ["listlocalsnapshots", "/"], timeoutMs: TIMEOUT_MS });
    if (listed.code === 0 && !listed.output.includes(id)) return;
    const remedy = `Remove it as an administrator: tmutil deletelocalsnapshots ${id}`;
    throw snapshotError(`The snapshot ${id} cannot be removed: ${problem}.`, id, remedy);
  },
};

/** Some of what is below the path, or the path itself, is on the data volume. */
function touchesData(path: string): boolean {
  return path === "" || ON_DATA.some((folder) => isWithin(folder, path) || isWithin(path, folder));
}

function isSealed(path: string): boolean {
  return SEALED.some((folder) => isWithin(path, folder));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function notFrozen(volume: string, reason: string): AppError {
  return snapshotError(`No snapshot of ${volume} could be made: ${reason}.`, volume);
}
