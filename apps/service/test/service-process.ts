/**
 * A service in a process of its own, to be killed.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { openDatabase } from "../src/database/open-database.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import type { UnlockFilePlace } from "../src/secrets/unlock-file.ts";
import { startServiceOn } from "./device-fixture.ts";
import { PORTS } from "./vault-fixture.ts";

export interface ServiceProcess {
  readonly port: number;
  readonly kill: () => Promise<void>;
}

/** @param url a database with a vault. */
export async function spawnService(url: string, place: UnlockFilePlace): Promise<ServiceProcess> {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, TEST_DATABASE: url, TEST_UNLOCK: place.path, TEST_DATA: place.dataFolder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert(child.stdout !== null);
  const [line] = await once(createInterface(child.stdout), "line");
  return {
    port: Number(line),
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function run(): Promise<void> {
  const { TEST_DATABASE: url = "", TEST_UNLOCK: path = "", TEST_DATA: dataFolder = "" } = process.env;
  const database = await openDatabase(url);
  const vault = await openVault(database.db, { kind: "file", path, dataFolder }, PORTS);
  const { port } = await startServiceOn(database, vault, { tickMs: 1000 });
  console.log(port);
}

if (import.meta.main) await run();
