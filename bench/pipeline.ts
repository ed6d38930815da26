/**
 * Times `backupFiles` on a folder, alone in this process: first backup, then unchanged ones into the same repository.
 *
 *     node bench/pipeline.ts FOLDER [--workers N] [--unchanged N] [--cold] [--level N] [--suite gcm|cbc|none] [--dir FOLDER]
 *
 * `--keep FOLDER` keeps repository and cache there and goes on with them. Prints for each: wall time, user and system CPU time, peak memory of the process so far, bytes. `--cold` empties the
 * page cache before each (root only).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SUITE_NONE, suiteFor } from "@holdfast/crypto";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import {
  createRepository,
  openRepository,
  recoveryPublicKey,
  type RepositoryPorts,
} from "@holdfast/repository";
import { backupFiles, createSelection } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { dropPageCache } from "./measure.ts";
import { defaultCacheDirectory, folder } from "./places.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: "string" },
    unchanged: { type: "string", default: "1" },
    cold: { type: "boolean", default: false },
    level: { type: "string", default: "3" },
    suite: { type: "string", default: "gcm" },
    dir: { type: "string", default: defaultCacheDirectory },
    keep: { type: "string" },
  },
});
const source = resolve(positionals[0] ?? ".");
const work =
  values.keep === undefined ? mkdtempSync(join(folder(values.dir), "pipeline-")) : folder(values.keep);
try {
  await measureBackups();
} finally {
  if (values.keep === undefined) rmSync(work, { recursive: true });
}

async function measureBackups(): Promise<void> {
  const storage = await openLocalStorage(join(work, "repository"), { create: true });
  const ports: RepositoryPorts = {
    storage,
    clock: systemClock,
    randomness: systemRandomness,
    process: { host: "bench", bootId: "", processId: process.pid, startTime: "" },
    hasEnded: () => false,
    cacheDir: folder(work, "cache"),
  };
  const seed = Buffer.alloc(32, 7);
  const isOpen = values.suite === "none";
  const suite = isOpen ? SUITE_NONE : suiteFor(values.suite === "cbc" ? "cbc" : "gcm", "high");
  const target = { kind: "recovery", publicKey: recoveryPublicKey(seed) } as const;
  const isFresh = (await storage.stat("config")) === null;
  if (isFresh)
    await createRepository(ports, isOpen ? { suite } : { suite, slot: { target, label: "bench" } });
  const key = isOpen ? undefined : ({ kind: "recovery", seed } as const);
  for (let run = isFresh ? 0 : 1; run <= Number(values.unchanged); run += 1) {
    const repository = await openRepository(ports, key, ["write"]);
    if (values.cold) dropPageCache();
    await measureOne(run === 0 ? "first" : "unchanged", () =>
      backupFiles(repository, {
        paths: [Buffer.from(source)],
        selection: createSelection({ roots: [Buffer.from(source)] }),
        oneFileSystem: false,
        host: "bench",
        tags: [],
        program: "bench",
        compressionLevel: Number(values.level),
        ...(values.workers === undefined ? {} : { workers: Number(values.workers) }),
        onWarning: (warning) => {
          console.error(warning.message);
        },
      }),
    );
  }
}

async function measureOne(name: string, action: () => Promise<object>): Promise<void> {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = await action();
  const wall = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const peakMb = process.resourceUsage().maxRSS / 976.5625;
  console.log(
    `${name}: ${wall.toFixed(2)} s, user ${(user / 1e6).toFixed(2)} s, system ${(system / 1e6).toFixed(2)} s, peak ${peakMb.toFixed(0)} MB`,
  );
  console.log(`  ${JSON.stringify(result)}`);
}
