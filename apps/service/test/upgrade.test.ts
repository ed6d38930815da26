/** Databases of earlier versions are brought up to date, and everything in them works. */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { newProposal } from "@holdfast/protocol";
import pg from "pg";
import { verifyDatabase } from "../src/administration/vault-administration.ts";
import { createAuditLog } from "../src/audit/audit-log.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import { openAuthority } from "../src/authority/authority.ts";
import { copyBeforeUpgrade } from "../src/database/upgrade-copy.ts";
import type { Database } from "../src/database/database.ts";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { createDomains } from "../src/domains.ts";
import { runPlan } from "../src/plans/plan-runs.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import { proposeValue } from "../src/secrets/proposals.ts";
import { findSecret } from "../src/secrets/secret-rows.ts";
import { openCurrentValue } from "../src/secrets/secret-values.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import { vouchForOldFactors } from "../src/users/second-factor-head.ts";
import { createPasswordWork } from "../src/users/password-work.ts";
import { forEachDatabase, type OpenTestDatabase } from "./databases.ts";
import { ACTOR } from "./secrets-fixture.ts";

const FOLDER = join(import.meta.dirname, "upgrade");
const PORTS = { clock: systemClock, randomness: systemRandomness };
const CHEAP = { memoryKiB: 8192, passes: 1, lanes: 1 };

interface Old {
  readonly url: string;
  readonly unlock: { readonly kind: "file"; readonly path: string; readonly dataFolder: string };
}

/** A copy of the database that schema 0001 made. */
async function oldDatabase(open: OpenTestDatabase, folder: string): Promise<Old> {
  const url = await open.newUrl();
  if (open.kind === "sqlite") {
    await copyFile(join(FOLDER, "0001.sqlite"), url.replace(/^sqlite:/u, ""));
  } else {
    const client = new pg.Client(url);
    await client.connect();
    try {
      await client.query(await readFile(join(FOLDER, "0001-postgres.sql"), "utf8"));
    } finally {
      await client.end();
    }
  }
  const path = join(folder, "keys", "unlock");
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, await readFile(join(FOLDER, `${open.kind}-unlock.txt`)), { mode: 0o600 });
  return { url, unlock: { kind: "file", path, dataFolder: join(folder, "data") } };
}

async function valueOf(database: Database, vault: OpenedVault, name: string): Promise<string> {
  const { db } = database;
  const { id } = await db
    .selectFrom("secrets")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  using value = await openCurrentValue(db, vault, await findSecret(db, id));
  return Buffer.from(value.bytes).toString();
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hf-upgrade-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

forEachDatabase("a database of schema 0001", (open) => {
  test("keeps its secrets, audit log, plans and copies, and takes what is new", async () => {
    await withFolder(async (folder) => {
      const { url, unlock } = await oldDatabase(open, folder);
      await using database = await openDatabase(url);
      const { db } = database;
      using vault = await openVault(db, unlock, PORTS);
      assert.equal(await valueOf(database, vault, "nas"), "second value of 0001");
      assert.equal(await valueOf(database, vault, "company"), "encryption key of 0001");
      assert.deepEqual((await verifyVault(db, vault)).problems, []);
      const before = await verifyAudit(db, vault.auditPublicKey);
      assert.deepEqual([before.problem, before.rows > 8, before.checkpoints], [undefined, true, 1]);

      const audit = createAuditLog({ database, vault, clock: systemClock });
      const authority = await openAuthority({ ...PORTS, database, vault });
      const passwords = createPasswordWork(systemRandomness, CHEAP);
      const domains = createDomains({ ...PORTS, database, vault, audit, authority, passwords });
      const plan = await db.selectFrom("plans").selectAll().executeTakeFirstOrThrow();
      const [task] = await runPlan(domains, { kind: "user", id: ACTOR.userId }, plan.id, undefined);
      assert(task !== undefined);
      const row = await db.selectFrom("tasks").selectAll().where("id", "=", task).executeTakeFirstOrThrow();
      const described = await domains.kinds.describe(db, row);
      assert(described.kind === "backup");
      assert.deepEqual(described.paths, ["/srv"]);
      const { payload } = await domains.kinds.grant(db, row);
      assert.deepEqual(Object.values(payload.storages), [{ password: "second value of 0001" }]);
      assert.equal(payload.repository?.repository, plan.repository_id);
      const copies = await db.selectFrom("copies").selectAll().execute();
      assert.deepEqual(
        copies.map(({ id, plan_id: of, size, forgotten_at: gone }) => [id, of, size, gone]),
        [["ab".repeat(32), plan.id, 1000, null]],
      );

      assert.equal(await vouchForOldFactors(domains), 1, "the second factor of 0001");
      assert.deepEqual((await verifyVault(db, vault)).problems, []);
      const password = await db
        .selectFrom("secrets")
        .selectAll()
        .where("name", "=", "nas")
        .executeTakeFirstOrThrow();
      const proposal = await proposeValue(
        {
          ...domains,
          findUses: [],
          placeTests: {},
          estimate: async () => ({ guessesLog10: 20, score: 4, warning: null, suggestions: [] }),
        },
        ACTOR,
        password.id,
        newProposal.parse({ value: "third value", confirmation: "third value" }),
      );
      assert.equal(proposal.passed, true);
      await audit.checkpoint();
      const after = await verifyAudit(db, vault.auditPublicKey);
      assert.deepEqual([after.problem, after.rows - before.rows, after.checkpoints], [undefined, 3, 2]);
    });
  });

  test("has the tables that a new one has", async () => {
    await withFolder(async (folder) => {
      const { url } = await oldDatabase(open, folder);
      await using old = await openDatabase(url);
      await using fresh = await open();
      const shape = async ({ db }: Database) => {
        const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
        return tables
          .map(({ name, columns }) => [
            name,
            columns
              .map((column) => `${column.name} ${column.dataType} ${String(column.isNullable)}`)
              .toSorted(),
          ])
          .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
      };
      assert.deepEqual(await shape(old), await shape(fresh));
    });
  });
});

suite("before an upgrade", () => {
  test("an embedded database is copied beside itself, once, and the copy is as it was", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "holdfast.sqlite");
      await copyFile(join(FOLDER, "0001.sqlite"), path);
      const copy = copyBeforeUpgrade(`sqlite:${path}`, { now: () => Date.UTC(2026, 10, 22, 6, 30) });
      const last = MIGRATIONS.at(-1)?.name ?? "";
      assert.equal(copy, `${path}.before-${last}-20261122T063000Z`);
      await (await openDatabase(path))[Symbol.asyncDispose]();
      assert.equal(copyBeforeUpgrade(path, systemClock), undefined, "it is up to date");
      // What a person does who wants the older version back.
      const { DatabaseSync } = await import("node:sqlite");
      const old = new DatabaseSync(copy, { readOnly: true });
      const steps = old.prepare("select name from schema_migrations").all();
      old.close();
      assert.deepEqual(
        steps.map(({ name }) => name),
        ["0001"],
      );
      const files = await readdir(folder);
      assert.equal(files.filter((name) => name.includes("before")).length, 1);
    });
  });

  test("a new one, one in memory and one of a newer version are not copied", async () => {
    await withFolder(async (folder) => {
      assert.equal(copyBeforeUpgrade(join(folder, "none"), systemClock), undefined);
      assert.equal(copyBeforeUpgrade(":memory:", systemClock), undefined);
      assert.equal(copyBeforeUpgrade("postgres://user@host/name", systemClock), undefined);
      const path = join(folder, "newer");
      const newer = { name: "9999", up: async () => {} };
      await (await openDatabase(path, { migrations: [...MIGRATIONS, newer] }))[Symbol.asyncDispose]();
      assert.equal(copyBeforeUpgrade(path, systemClock), undefined);
      await assert.rejects(openDatabase(path), (error) => isAppError(error, "ERR_DATABASE_NEWER"));
    });
  });

  test("a command says which file or folder is missing, and makes none", async () => {
    await withFolder(async (folder) => {
      const unlock = { kind: "file", path: join(folder, "unlock"), dataFolder: folder } as const;
      const refused = (missing: RegExp) => (error: unknown) =>
        isAppError(error, "ERR_DATABASE_UNREACHABLE") && missing.test(error.message);
      await assert.rejects(
        verifyDatabase(`sqlite:${join(folder, "data", "holdfast.sqlite")}`, unlock),
        refused(/The folder .*data does not exist/u),
      );
      await assert.rejects(
        verifyDatabase(join(folder, "holdfast.sqlite"), unlock),
        refused(/The file .*holdfast\.sqlite does not exist/u),
      );
      assert.deepEqual(await readdir(folder), []);
    });
  });
});
