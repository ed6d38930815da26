/**
 * A service with authority, queue and channel on loopback, with kinds of tasks that a test scripts.
 */
import assert from "node:assert/strict";
import type { Server } from "node:https";
import { AppError, type Clock, isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { keyPairFromSeed } from "@holdfast/crypto";
import Fastify from "fastify";
import { userActor } from "../src/audit/audit.ts";
import { createAuditLog } from "../src/audit/audit-log.ts";
import { type Authority, openAuthority } from "../src/authority/authority.ts";
import { prepareTls, type TlsPort } from "../src/authority/tls-server.ts";
import type { Database } from "../src/database/database.ts";
import { registerAgentRoutes } from "../src/devices/agent-routes.ts";
import { createEnrolmentCode } from "../src/devices/enrolment.ts";
import type { Actor } from "../src/http/route.ts";
import type { Vault } from "../src/secrets/vault.ts";
import { createDispatcher, type Dispatcher } from "../src/tasks/dispatcher.ts";
import type { NewTask, TaskEnd, TaskKinds, TaskQueue, TaskRow } from "../src/tasks/task-kinds.ts";
import { createTaskQueue } from "../src/tasks/task-queue.ts";
import { ROLE_RIGHTS } from "../src/users/rights.ts";
import { vaultFixture } from "./vault-fixture.ts";

export const ADMINISTRATOR: Actor = {
  userId: "user_00000000000000000000000000",
  name: "Ada",
  role: "administrator",
  rights: ROLE_RIGHTS.administrator,
  sessionId: undefined,
  address: "127.0.0.1",
};

/** A clock that runs, and can be moved ahead. */
export interface MovedClock extends Clock {
  move(ms: number): void;
}

export function movedClock(): MovedClock {
  let ahead = 0;
  return {
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    move: (ms) => {
      ahead += ms;
    },
  };
}

/** Kinds of tasks that grant one password, and remember what ended. */
export interface ScriptedKinds extends TaskKinds {
  readonly ends: { task: TaskRow; end: TaskEnd }[];
  /** Suite of every repository. */
  suite: number;
  /** Thrown at the end of every task. */
  endError: Error | undefined;
}

export const REPOSITORY = "0a".repeat(16);
export const PASSWORD_ID = "sec_0000000000000000000000000a";

export function scriptedKinds(): ScriptedKinds {
  const kinds: ScriptedKinds = {
    ends: [],
    suite: 3,
    endError: undefined,
    describe: async (_db, task) => ({
      id: task.id,
      kind: "backup",
      plan: { id: "plan_00000000000000000000000000", name: "Nightly" },
      repository: {
        id: REPOSITORY,
        storage: { id: "sto_00000000000000000000000000", name: "Shelf", location: "/srv/backups" },
        suite: kinds.suite,
        prepared: [],
      },
      paths: ["/etc"],
      exclude: [],
      oneFileSystem: false,
      snapshot: false,
      tags: [],
      compression: 3,
    }),
    grant: async (_db, task) => {
      if (task.input === '"secret-disabled"')
        throw new AppError("ERR_SECRET_DISABLED", "The password is disabled.");
      return {
        payload: { storages: { sto_00000000000000000000000000: { password: "correct horse" } } },
        exposures: [{ kind: "password", id: PASSWORD_ID, version: 2 }],
        description: ["storage sto_00000000000000000000000000"],
      };
    },
    ended: async (_transaction, task, end) => {
      kinds.ends.push({ task, end });
      if (kinds.endError !== undefined) throw kinds.endError;
    },
  };
  return kinds;
}

export interface ServiceOptions {
  readonly clock?: MovedClock;
  readonly kinds?: ScriptedKinds;
  readonly tickMs?: number;
}

export interface TestService extends AsyncDisposable {
  readonly database: Database;
  readonly authority: Authority;
  readonly vault: Vault;
  readonly tls: TlsPort;
  readonly server: Server;
  readonly port: number;
  readonly clock: MovedClock;
  readonly kinds: ScriptedKinds;
  readonly queue: TaskQueue;
  readonly dispatcher: Dispatcher;
  readonly audit: ReturnType<typeof createAuditLog>;
  /** What nobody foresaw; empty at the end of a good test. */
  readonly failures: unknown[];
  readonly enrolmentCode: () => Promise<string>;
  readonly createTask: (deviceId: string, task?: Partial<NewTask>) => Promise<string>;
}

export async function startService(database: Database, options: ServiceOptions = {}): Promise<TestService> {
  const fixture = await vaultFixture(database);
  const service = await startServiceOn(database, fixture.vault, options);
  return Object.assign(service, {
    [Symbol.asyncDispose]: async () => {
      await service.stop();
      await fixture[Symbol.asyncDispose]();
    },
  });
}

/** One process of the service; several may share a database and a vault. */
export async function startServiceOn(
  database: Database,
  vault: Vault,
  options: ServiceOptions = {},
): Promise<Omit<TestService, typeof Symbol.asyncDispose> & { readonly stop: () => Promise<void> }> {
  const clock = options.clock ?? movedClock();
  const kinds = options.kinds ?? scriptedKinds();
  const failures: unknown[] = [];
  const ports = { database, clock, randomness: systemRandomness };
  const audit = createAuditLog({ database, vault, clock });
  const authority = await openAuthority({ ...ports, vault });
  const tls = await prepareTls({
    authority,
    clock,
    browser: { dns: ["localhost"], addresses: ["127.0.0.1"] },
  });
  const dispatcher = createDispatcher({
    ...ports,
    audit,
    authority,
    kinds,
    failed: (error) => failures.push(error),
    tickMs: options.tickMs ?? 0,
  });
  const dependencies = { ...ports, audit, authority };
  let server: Server | undefined;
  const app = Fastify({
    serverFactory: (handler) => {
      server = tls.createServer(handler);
      return server;
    },
  });
  app.setErrorHandler((error, _request, reply) => {
    const code = isAppError(error) ? error.code : "ERR_FAILED";
    return reply.status(400).send({ code });
  });
  registerAgentRoutes(app, dependencies);
  await app.ready();
  assert(server !== undefined);
  dispatcher.attach(server);
  await dispatcher.start();
  await app.listen({ port: 0, host: "127.0.0.1" });
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  const queue = createTaskQueue({ ...ports, kinds });
  return {
    database,
    authority,
    vault,
    tls,
    server,
    clock,
    kinds,
    queue,
    dispatcher,
    audit,
    failures,
    port: address.port,
    enrolmentCode: async () =>
      (await createEnrolmentCode(dependencies, userActor(ADMINISTRATOR), { note: "" })).code,
    createTask: async (deviceId, task = {}) => {
      const id = await database.transaction((transaction) =>
        queue.create(transaction, {
          kind: "backup",
          deviceId,
          input: {},
          createdBy: ADMINISTRATOR.userId,
          ...task,
        }),
      );
      await database.notify("tasks");
      return id;
    },
    stop: async () => {
      tls.stop();
      await dispatcher.stop();
      await app.close();
    },
  };
}

/** An X-Wing key for one lease. */
export function leaseKeys(seed: Buffer): { seed: Buffer; publicKey: string } {
  return { seed, publicKey: keyPairFromSeed(seed).publicKey.toString("base64") };
}

export const BACKUP_RESULT = {
  copy: {
    id: "ab".repeat(32),
    time: 1,
    host: "web-1",
    kind: "files",
    paths: ["/etc"],
    tags: [],
    size: 1,
    files: 1,
  },
  filesNew: 1,
  filesChanged: 0,
  filesUnchanged: 0,
  bytesRead: 1,
  bytesAdded: 1,
  bytesStored: 1,
  seconds: 1,
  warnings: 0,
};

export async function taskRow(database: Pick<Database, "db">, id: string): Promise<TaskRow> {
  return database.db.selectFrom("tasks").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
}
