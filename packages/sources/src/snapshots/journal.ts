/**
 * Which snapshots this program has made, in a folder on disk: what a process that was killed has left is removed by the next
 * one. A snapshot costs room as long as it is there.
 *
 * One file a backup, `PROCESS-RANDOM.json`. A file whose process is there is left alone; a number that another process
 * has meanwhile only delays the removal.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rename, rmdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { errorCode, makeFolder } from "@holdfast/kernel";
import type { SnapshotRecord, SnapshotSystem } from "./snapshot-system.ts";
import type { ToolRunner } from "../tools/tool-runner.ts";

const FILE_NAME = /^(?<pid>\d{1,10})-[0-9a-f]{16}\.json$/u;
/** Of this process: a file with its number that is not among them is of one that had the number before. */
const own = new Set<string>();

export class SnapshotJournal {
  readonly #folder: string;
  readonly #name: string;
  #records: readonly SnapshotRecord[] = [];

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  static async begin(folder: string): Promise<SnapshotJournal> {
    await makeFolder(folder, 0o700);
    const name = `${String(process.pid)}-${randomBytes(8).toString("hex")}.json`;
    own.add(name);
    return new SnapshotJournal(folder, name);
  }

  /** Keeps a record, in place of an earlier one of the same snapshot. */
  async note(record: SnapshotRecord): Promise<void> {
    this.#records = [...this.#records.filter(({ id }) => id !== record.id), record];
    await this.#write();
  }

  newFolder(): Promise<string> {
    return mkdtemp(join(this.#folder, "mount-"));
  }

  /** Removes all snapshots that were noted. Those that cannot be removed stay noted, and are told. */
  async removeAll(
    system: SnapshotSystem,
    run: ToolRunner,
    onProblem: (error: unknown) => void,
  ): Promise<void> {
    const left = await removeRecords(this.#records, system, run, onProblem);
    const isNew = this.#records.length === 0;
    this.#records = left;
    if (left.length > 0) await this.#write();
    else if (!isNew) await unlink(join(this.#folder, this.#name));
    own.delete(this.#name);
  }

  async #write(): Promise<void> {
    const path = join(this.#folder, this.#name);
    await writeFile(`${path}.new`, JSON.stringify(this.#records), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

/** Removes what processes that are no more have left. */
export async function removeLeft(
  folder: string,
  system: SnapshotSystem,
  run: ToolRunner,
  onProblem: (error: unknown) => void,
): Promise<void> {
  for (const name of await namesIn(folder)) {
    const pid = Number(FILE_NAME.exec(name)?.groups?.["pid"]);
    if (!Number.isSafeInteger(pid) || own.has(name) || (pid !== process.pid && isRunning(pid))) continue;
    const path = join(folder, name);
    const left = await removeRecords(parseRecords(await readFile(path, "utf8")), system, run, onProblem);
    if (left.length === 0) await unlink(path);
    else await writeFile(path, JSON.stringify(left));
  }
}

/** Returns those that could not be removed. */
async function removeRecords(
  records: readonly SnapshotRecord[],
  system: SnapshotSystem,
  run: ToolRunner,
  onProblem: (error: unknown) => void,
): Promise<readonly SnapshotRecord[]> {
  const left: SnapshotRecord[] = [];
  for (const record of records) {
    try {
      await system.remove(record, run);
      if (record.mountPoint !== undefined) await removeFolder(record.mountPoint);
    } catch (error) {
      left.push(record);
      onProblem(error);
    }
  }
  return left;
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** A file that was cut off holds nothing to go by. */
function parseRecords(text: string): readonly SnapshotRecord[] {
  try {
    const records: unknown = JSON.parse(text);
    return Array.isArray(records) ? records.filter(isRecord) : [];
  } catch {
    return [];
  }
}

function isRecord(value: unknown): value is SnapshotRecord {
  if (typeof value !== "object" || value === null || !("id" in value) || typeof value.id !== "string")
    return false;
  return !("mountPoint" in value) || typeof value.mountPoint === "string";
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}
