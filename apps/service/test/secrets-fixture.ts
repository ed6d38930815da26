/**
 * A Password Manager on a test database.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { AppError, newId, systemRandomness } from "@holdfast/kernel";
import { type CreatedSecret, newSecret, type SecretView } from "@holdfast/protocol";
import { createAuditLog } from "../src/audit/audit-log.ts";
import type { Actor } from "../src/http/route.ts";
import type { OwnPasswordDependencies } from "../src/secrets/own-password.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import type { ProposalDependencies } from "../src/secrets/proposal-dependencies.ts";
import { findSecret } from "../src/secrets/secret-rows.ts";
import { USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { openCurrentValue } from "../src/secrets/secret-values.ts";
import { createSecret } from "../src/secrets/secrets.ts";
import { createStorageProposalTest } from "../src/storages/storage-proposal.ts";
import type { TaskKinds, TaskQueue } from "../src/tasks/task-kinds.ts";
import { createTaskQueue } from "../src/tasks/task-queue.ts";
import { withinAttempts } from "../src/users/own-password.ts";
import type { OpenTestDatabase } from "./databases.ts";
import { testClock, type TestClock, type VaultFixture, vaultFixture } from "./vault-fixture.ts";

export const VALUE = "Käse-und-Brot-7";
export const OWN_PASSWORD = "my own password";

export const ACTOR: Actor = {
  userId: "user_0000000000000000000000000a",
  name: "Ada",
  role: "administrator",
  rights: new Set(),
  sessionId: "session",
  address: "127.0.0.1",
};

export type Dependencies = ProposalDependencies & OwnPasswordDependencies;

export interface Fixture extends AsyncDisposable {
  readonly base: VaultFixture;
  readonly dependencies: Dependencies;
  readonly kinds: TaskKinds;
  readonly clock: TestClock;
}

export async function fixtureOf(
  open: OpenTestDatabase,
  change: Partial<Dependencies> = {},
): Promise<Fixture> {
  const base = await vaultFixture(await open());
  const { database, vault } = base;
  const clock = testClock();
  const audit = createAuditLog({ database, vault, clock });
  const ports = { database, vault, audit, clock, randomness: systemRandomness };
  const later: TaskQueue = {
    create: (transaction, task) => queue.create(transaction, task),
    requestCancel: (transaction, id, reason) => queue.requestCancel(transaction, id, reason),
  };
  const kinds = createTaskKinds({ ...ports, queue: later });
  const queue = createTaskQueue({ ...ports, kinds });
  const dependencies: Dependencies = {
    ...ports,
    queue,
    estimate: async () => ({ guessesLog10: 20, score: 4, warning: null, suggestions: [] }),
    placeTests: { storage: createStorageProposalTest(queue) },
    findUses: USES_BY_DOMAINS,
    requireOwnPassword: (actor, password, what) =>
      withinAttempts(
        { database, audit, clock },
        actor,
        what,
        async () => actor.userId === ACTOR.userId && password === OWN_PASSWORD,
      ),
    ...change,
  };
  return { base, dependencies, kinds, clock, [Symbol.asyncDispose]: () => base[Symbol.asyncDispose]() };
}

export function create(
  { dependencies }: Fixture,
  change: Record<string, unknown> = {},
): Promise<CreatedSecret> {
  const given = { kind: "password", name: "NAS", value: VALUE, confirmation: VALUE, ...change };
  return createSecret(dependencies, ACTOR, newSecret.parse(given));
}

export const createKey = (fixture: Fixture, name = "Office"): Promise<SecretView> =>
  create(fixture, { kind: "encryption-key", name });

export async function valueOf({ dependencies: { database, vault } }: Fixture, id: string): Promise<string> {
  using value = await openCurrentValue(database.db, vault, await findSecret(database.db, id));
  return Buffer.from(value.bytes).toString();
}

export function refusal(code: string, message = /./u): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof AppError, inspect(error));
    const shown = inspect(error, { depth: 10 });
    assert(!shown.includes(VALUE) && !shown.includes(OWN_PASSWORD), "a secret shows");
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

export async function actions({ dependencies: { database } }: Fixture): Promise<string[]> {
  const rows = await database.db.selectFrom("audit_rows").select("action").orderBy("number").execute();
  return rows.map(({ action }) => action);
}

/** A plan with a storage, a repository and copies. */
export async function addPlan(fixture: Fixture, keyId: string, passwordId: string): Promise<void> {
  const { db } = fixture.dependencies.database;
  const storage = newId("sto");
  const repository = "0".repeat(32);
  const common = { description: "", created_at: 1, created_by: "", revision: 1 };
  await db
    .insertInto("storages")
    .values({
      ...common,
      id: storage,
      name: "the NAS",
      location: "/srv",
      identity: "{}",
      secrets: JSON.stringify({ password: passwordId }),
    })
    .execute();
  await db
    .insertInto("repositories")
    .values({
      id: repository,
      storage_id: storage,
      folder: "f",
      suite: 3,
      secret_id: keyId,
      prepared: "[]",
      created_at: 1,
    })
    .execute();
  await db
    .insertInto("plans")
    .values({
      ...common,
      id: newId("plan"),
      name: "nightly",
      selection: "{}",
      storage_id: storage,
      repository_id: repository,
      method: "gcm",
      level: "high",
      secret_id: keyId,
      schedule: null,
      retention: null,
      retries: "{}",
      enabled: 1,
    })
    .execute();
  for (const [index, forgotten_at] of [null, null, 5].entries()) {
    await db
      .insertInto("copies")
      .values({
        id: String(index),
        repository_id: repository,
        plan_id: null,
        device_id: null,
        task_id: null,
        time: 1,
        host: "h",
        kind: "files",
        paths: "[]",
        tags: "[]",
        size: 1,
        files: 1,
        stored: 1,
        forgotten_at,
      })
      .execute();
  }
}
