/**
 * Folders below the base: made when first needed, and fsynced so that an entry in them outlives a power cut.
 *
 * @module
 */
import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode, makeFolder } from "@holdfast/kernel";

const FOLDER_MODE = 0o700;

/** Some network file systems cannot fsync a folder; they order such changes on their server. */
const SYNC_UNSUPPORTED: ReadonlySet<string | undefined> = new Set([
  "EINVAL",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
]);

/** Makes the entries of a folder durable. Windows has no such call and journals them itself. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!SYNC_UNSUPPORTED.has(errorCode(error))) throw error;
  }
}

/** Creates `path` and what is missing above it, durably. Only for the base folder, and only when asked to. */
export async function createBaseFolder(path: string): Promise<void> {
  const first = await makeFolder(path, FOLDER_MODE);
  if (first === undefined) return;
  for (let folder = path; folder !== dirname(first); folder = dirname(folder)) {
    await syncFolder(dirname(folder));
  }
}

/** The folders of one storage. */
export class Folders {
  readonly #base: string;
  /** Folders that exist and whose entry in their parent is durable. */
  readonly #ready = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Promise<void>>();

  constructor(base: string) {
    this.#base = base;
  }

  /**
   * Makes the folder `relative` and its parents up to the base, which itself is never made: on an unplugged disk that
   * would fill the empty mount point. A folder that is there already is synced too: whoever made it may not have yet.
   */
  async ensure(relative: string): Promise<void> {
    if (relative === "." || this.#ready.has(relative)) return;
    await this.ensure(dirname(relative));
    try {
      await mkdir(join(this.#base, relative), { mode: FOLDER_MODE });
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    await this.sync(dirname(relative));
    this.#ready.add(relative);
  }

  /** Makes all changes in the folder up to now durable. Calls that wait for a running sync share the next one. */
  sync(relative: string): Promise<void> {
    const waiting = this.#waiting.get(relative);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(relative);
    if (running === undefined) return this.#start(relative);
    const next = running
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(relative);
        return this.#start(relative);
      });
    this.#waiting.set(relative, next);
    return next;
  }

  /** Forgets what is known, after somebody else removed a folder. */
  forget(): void {
    this.#ready.clear();
  }

  #start(relative: string): Promise<void> {
    const sync = syncFolder(join(this.#base, relative)).finally(() => this.#running.delete(relative));
    this.#running.set(relative, sync);
    return sync;
  }
}
