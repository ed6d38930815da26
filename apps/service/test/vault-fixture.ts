/**
 * A vault on a test database, with its unlock file in a folder of its own, and hands that reach past the triggers.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock, systemRandomness } from "@holdfast/kernel";
import { type KyselyPlugin, sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { createVault } from "../src/secrets/create-vault.ts";
import type { UnlockFilePlace } from "../src/secrets/unlock-file.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";

export interface VaultFixture extends AsyncDisposable {
  readonly database: Database;
  readonly vault: OpenedVault;
  readonly folder: string;
  readonly place: UnlockFilePlace;
}

/** As little work as Argon2id is allowed to have here. */
export const CHEAP = { memoryKiB: 8192, passes: 1, lanes: 1 };

export const PORTS = { clock: systemClock, randomness: systemRandomness, passphraseCost: CHEAP };

export async function newPlace(): Promise<{ folder: string; place: UnlockFilePlace }> {
  const folder = await mkdtemp(join(tmpdir(), "hf-vault-"));
  return { folder, place: { path: join(folder, "keys", "unlock"), dataFolder: join(folder, "data") } };
}

export async function vaultFixture(database: Database): Promise<VaultFixture> {
  const { folder, place } = await newPlace();
  const vault = await createVault(database, { ...PORTS, unlockFile: place });
  return {
    database,
    vault,
    folder,
    place,
    [Symbol.asyncDispose]: async () => {
      vault[Symbol.dispose]();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What somebody can do who may write to the database. */
export async function dropTriggers(database: Database, table: string): Promise<void> {
  for (const event of ["update", "delete", "truncate"]) {
    if (database.kind === "sqlite") {
      await sql.raw(`drop trigger if exists ${table}_frozen_${event}`).execute(database.db);
    } else {
      await sql.raw(`drop trigger if exists ${table}_frozen_${event} on ${table}`).execute(database.db);
    }
  }
}

/** Time that stands still until it is moved. */
export interface TestClock extends Clock {
  move(ms: number): void;
}

export function testClock(start = Date.UTC(2026, 0, 5)): TestClock {
  let now = start;
  return {
    now: () => now,
    monotonic: () => now,
    sleep: async () => {},
    move: (ms) => {
      now += ms;
    },
  };
}

export class Killed extends Error {}

/** The database of a process that dies before its statement number `last + 1`. */
export function dyingAfter(database: Database, last: number): Database {
  let count = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      count += 1;
      if (count > last) throw new Killed();
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  return {
    ...database,
    db: database.db.withPlugin(plugin),
    transaction: (work) => database.transaction((transaction) => work(transaction.withPlugin(plugin))),
  };
}
