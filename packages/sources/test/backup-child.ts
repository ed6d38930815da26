/**
 * One backup in a process of its own, for tests that kill it or measure it: `node backup-child.ts STORAGE CACHE SOURCE`.
 * The repository is made when missing. Prints the result with the peak memory of the process as JSON.
 */
import { readFileSync } from "node:fs";
import { openRepository } from "@holdfast/repository";
import { FIXTURE_KEY, fixturePorts, newRepository } from "@holdfast/repository/fixture-writer";
import { openLocalStorage } from "@holdfast/storage";
import { backupFiles } from "../src/files-backup/backup-files.ts";
import { createSelection } from "../src/selection/selection.ts";

/** Of this program alone: what `resourceUsage` says counts the process that started it, too. */
function peakBytes(): number {
  const [, kib = ""] = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) * 1024;
}

const [folder = "", cache = "", source = ""] = process.argv.slice(2);
const storage = await openLocalStorage(folder, { create: true });
if ((await storage.stat("config")) === null) await newRepository(undefined, storage);
const repository = await openRepository(fixturePorts(storage, cache), FIXTURE_KEY, ["write"]);
const paths = [Buffer.from(source)];
const result = await backupFiles(repository, {
  paths,
  selection: createSelection({ roots: paths }),
  oneFileSystem: false,
  host: "test",
  tags: [],
  program: "test",
  compressionLevel: 3,
});
console.log(JSON.stringify({ ...result, peakBytes: peakBytes() }));
