/**
 * A vault on a test database, with an administrator, devices and secrets in it, an audit log that remembers and a queue that
 * only stores.
 */
import { newId } from "@holdfast/kernel";
import type { AuditEntry, AuditLog } from "../src/audit/audit.ts";
import type { Database } from "../src/database/database.ts";
import type { Actor } from "../src/http/route.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import type { NewTask, TaskQueue } from "../src/tasks/task-kinds.ts";
import { RIGHTS } from "../src/users/rights.ts";
import { PORTS, type TestClock, testClock, vaultFixture } from "./vault-fixture.ts";

export interface Catalogue extends AsyncDisposable {
  readonly database: Database;
  readonly vault: OpenedVault;
  readonly clock: TestClock;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
  readonly randomness: typeof PORTS.randomness;
  readonly passphraseCost: typeof PORTS.passphraseCost;
  readonly actor: Actor;
  readonly audited: readonly AuditEntry[];
  readonly queued: readonly NewTask[];
  /** Ids of tasks that were asked to end. */
  readonly cancelled: readonly string[];
  readonly addDevice: (methods?: readonly string[], worker?: boolean) => Promise<string>;
  readonly addSecret: (kind: "password" | "encryption-key", value: string) => Promise<string>;
}

export async function catalogue(database: Database): Promise<Catalogue> {
  const fixture = await vaultFixture(database);
  const { vault } = fixture;
  const clock = testClock();
  const audited: AuditEntry[] = [];
  const queued: NewTask[] = [];
  const cancelled: string[] = [];
  return {
    database,
    vault,
    clock,
    randomness: PORTS.randomness,
    passphraseCost: PORTS.passphraseCost,
    audited,
    queued,
    cancelled,
    audit: {
      append: async (_, entry) => {
        audited.push(entry);
      },
    },
    queue: {
      create: async (_, task) => {
        queued.push(task);
        return newId("task");
      },
      requestCancel: async (_, taskId) => {
        cancelled.push(taskId);
      },
    },
    actor: {
      userId: newId("user"),
      name: "ada",
      role: "administrator",
      rights: new Set(RIGHTS),
      sessionId: undefined,
      address: "127.0.0.1",
    },
    addDevice: (methods = ["gcm", "cbc"], worker = false) => addDevice(database, methods, worker),
    addSecret: (kind, value) => addSecret(database, vault, kind, value),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

async function addDevice({ db }: Database, methods: readonly string[], worker: boolean): Promise<string> {
  const id = newId("dev");
  await db
    .insertInto("devices")
    .values({
      id,
      name: id,
      platform: "{}",
      methods: JSON.stringify(methods),
      version: "1",
      worker: worker ? 1 : 0,
      disabled: 0,
      created_at: 1,
      created_by: "",
      certificate_serial: id,
      next_certificate_serial: null,
      certificate_expires_at: 1,
      process_id: null,
      connected_at: null,
      seen_at: 1,
      revision: 1,
    })
    .execute();
  return id;
}

async function addSecret(
  database: Database,
  vault: OpenedVault,
  kind: "password" | "encryption-key",
  value: string,
): Promise<string> {
  const id = newId("sec");
  await database.transaction(async (transaction) => {
    await transaction
      .insertInto("secrets")
      .values({
        id,
        kind,
        name: id,
        description: "",
        hint: "",
        current_version: 1,
        head_box: vault.sealHead(kind, id, 1),
        generated: 0,
        disabled: 0,
        created_at: 1,
        created_by: "",
        updated_at: 1,
        revision: 1,
      })
      .execute();
    await vault.put(transaction, { kind, id, version: 1, field: "value" }, Buffer.from(value));
  });
  return id;
}

/** A plan as the API gives it, with what is not named by default. */
export function planOf(fields: {
  readonly name?: string;
  readonly devices: readonly string[];
  readonly storage: string;
  readonly encryption: unknown;
}): Record<string, unknown> {
  return { name: "nightly", paths: ["/srv"], ...fields };
}
