/**
 * One backup in a process of its own, for tests that kill it or measure it: `node backup-child.ts STORAGE CACHE SOURCE [BYTES]`.
 * The repository is made when missing. Prints the result with the peak memory of the process as JSON. With BYTES, it stands still
 * when so much is stored, until it is killed.
 */
import { readFileSync } from "node:fs";
import { openRepository } from "@holdfast/repository";
import { FIXTURE_KEY, fixturePorts, newRepository } from "@holdfast/repository/fixture-writer";
import { openLocalStorage, type Storage } from "@holdfast/storage";
import { backupFiles } from "../src/files-backup/backup-files.ts";
import { createSelection } from "../src/selection/selection.ts";

/** Of this program alone: what `resourceUsage` says counts the process that started it, too. */
function peakBytes(): number {
  const [, kib = ""] = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) * 1024;
}

function standingStill(storage: Storage, bytesMax: number): Storage {
  let stored = 0;
  const put: Storage["put"] = async (name, bytes, options) => {
    // Never answered; the timer keeps the process.
    if (stored >= bytesMax) await new Promise(() => setInterval(() => undefined, 60_000));
    const outcome = await storage.put(name, bytes, options);
    stored += bytes.length;
    return outcome;
  };
  return new Proxy(storage, {
    get: (target, key) => {
      if (key === "put") return put;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const [folder = "", cache = "", source = "", bytesMax] = process.argv.slice(2);
const local = await openLocalStorage(folder, { create: true });
const storage = bytesMax === undefined ? local : standingStill(local, Number(bytesMax));
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
