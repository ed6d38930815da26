/**
 * A service with authority, queue and channel on loopback, and agents that do what a test says.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import "../src/authority/reflect-metadata.ts";
import * as x509 from "@peculiar/x509";
import { AppError, type Clock, isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { keyPairFromSeed } from "@holdfast/crypto";
import {
  AGENT_SERVER_NAME,
  type AgentMessage,
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  type EnrollAnswer,
  parseEnrolmentCode,
  type RunEvent,
  type ServiceMessage,
  serviceMessage,
} from "@holdfast/protocol";
import Fastify from "fastify";
import { WebSocket } from "ws";
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
    sleep: systemClock.sleep,
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
}

export const REPOSITORY = "0a".repeat(16);
export const PASSWORD_ID = "sec_0000000000000000000000000a";

export function scriptedKinds(): ScriptedKinds {
  const kinds: ScriptedKinds = {
    ends: [],
    suite: 3,
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
    ...{ database, authority, vault, tls, server, clock, kinds, queue, dispatcher, audit, failures },
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

export interface AgentKeys {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  /** PKCS #10, base 64. */
  readonly request: string;
}

export async function newAgentKeys(curve = "P-256"): Promise<AgentKeys> {
  const algorithm = { name: "ECDSA", namedCurve: curve, hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=whoever",
    keys,
    signingAlgorithm: algorithm,
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    publicKey: Buffer.from(await crypto.subtle.exportKey("spki", keys.publicKey)),
    privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    request: Buffer.from(request.rawData).toString("base64"),
  };
}

/** As a device has it after enrolment. */
export interface Identity {
  readonly deviceId: string;
  readonly certificate: string;
  readonly privateKey: string;
  readonly authority: string;
}

export async function postEnroll(
  service: Pick<TestService, "port" | "authority">,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const { request } = await import("node:https");
  const text = JSON.stringify(body);
  const call = request({
    host: "127.0.0.1",
    port: service.port,
    path: "/agent/v1/enroll",
    method: "POST",
    servername: AGENT_SERVER_NAME,
    ca: service.authority.certificate,
    agent: false,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
  });
  call.end(text);
  const [response] = await once(call, "response");
  let answer = "";
  for await (const chunk of response) answer += String(chunk);
  return { status: response.statusCode, body: JSON.parse(answer) };
}

export const PLATFORM = {
  system: "linux",
  release: "6.1",
  architecture: "x64",
  hostname: "web-1",
} as const;

export async function enrolDevice(
  service: Pick<TestService, "port" | "authority" | "enrolmentCode">,
): Promise<Identity> {
  const { secret } = parseEnrolmentCode(await service.enrolmentCode());
  const { privateKey, request } = await newAgentKeys();
  const { status, body } = await postEnroll(service, {
    secret: secret.toString("base64"),
    certificateRequest: request,
    name: "web-1",
    platform: PLATFORM,
  });
  assert.equal(status, 201);
  const answer = body as EnrollAnswer;
  return {
    deviceId: answer.device,
    certificate: answer.certificate,
    privateKey,
    authority: answer.authority,
  };
}

type Received = ServiceMessage;
type Of<T extends ServiceMessage["type"]> = Extract<ServiceMessage, { type: T }>;

/** A channel that does what it is told, and keeps what it hears. */
export interface ScriptedAgent {
  readonly socket: WebSocket;
  readonly heard: readonly Received[];
  readonly send: (message: AgentMessage) => void;
  readonly sendText: (text: string | Buffer) => void;
  readonly hello: (runs?: { run: string; nextEvent: number }[], methods?: ("gcm" | "cbc")[]) => void;
  readonly event: (run: string, number: number, event: RunEvent) => void;
  /** The next message of this type that was not taken yet. */
  readonly next: <T extends ServiceMessage["type"]>(type: T) => Promise<Of<T>>;
  /** The code with which the service closes. */
  readonly closed: Promise<number>;
  readonly close: () => Promise<void>;
}

const WAIT_MS = 10_000;

export function dial(
  port: number,
  identity: Pick<Identity, "certificate" | "privateKey" | "authority">,
  protocols: string | string[] = CHANNEL_SUBPROTOCOL,
): ScriptedAgent {
  const options = {
    servername: AGENT_SERVER_NAME,
    ca: identity.authority,
    ...(identity.certificate === "" ? {} : { cert: identity.certificate, key: identity.privateKey }),
  };
  const socket = new WebSocket(`wss://127.0.0.1:${String(port)}${CHANNEL_PATH}`, protocols, options);
  const heard: Received[] = [];
  const untaken: Received[] = [];
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer) => {
    const message = serviceMessage.parse(JSON.parse(data.toString("utf8")));
    heard.push(message);
    untaken.push(message);
    for (const look of waiting) look();
  });
  const closed = new Promise<number>((resolve) => {
    socket.on("close", (code: number) => {
      resolve(code);
      for (const look of waiting) look();
    });
  });
  socket.on("error", () => {});
  const send = (message: AgentMessage): void => socket.send(JSON.stringify(message));
  return {
    socket,
    heard,
    send,
    sendText: (text) => socket.send(text),
    hello: (runs = [], methods = ["gcm", "cbc"]) => {
      send({ type: "hello", version: "0.1.0", platform: PLATFORM, methods, runs });
    },
    event: (run, number, event) => {
      send({ type: "event", run, number, at: Date.now(), event });
    },
    next: (type) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`no ${type} came; heard ${heard.map((message) => message.type).join(", ")}`));
        }, WAIT_MS);
        const look = (): void => {
          const at = untaken.findIndex((message) => message.type === type);
          const found = untaken[at];
          if (found === undefined && socket.readyState !== WebSocket.CLOSED) return;
          clearTimeout(timer);
          waiting.delete(look);
          if (found === undefined) reject(new Error(`closed before ${type} came`));
          else {
            untaken.splice(at, 1);
            resolve(found as never);
          }
        };
        waiting.add(look);
        look();
      }),
    closed,
    close: async () => {
      socket.close();
      await closed;
    },
  };
}

/** An agent that is through with `hello`. */
export async function connectAgent(
  service: Pick<TestService, "port">,
  identity: Identity,
  runs: { run: string; nextEvent: number }[] = [],
  methods: ("gcm" | "cbc")[] = ["gcm", "cbc"],
): Promise<ScriptedAgent> {
  const agent = dial(service.port, identity);
  await once(agent.socket, "open");
  agent.hello(runs, methods);
  await agent.next("welcome");
  return agent;
}

/** What an attempt to open a channel is answered, when it is not opened. */
export async function refusedUpgrade(
  port: number,
  identity: Pick<Identity, "certificate" | "privateKey" | "authority">,
): Promise<{ status: number | undefined; code: unknown }> {
  const agent = dial(port, identity);
  const [, response] = await once(agent.socket, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, code: JSON.parse(body).code };
}

export async function tlsConnect(port: number, servername: string, ca: string): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, servername, ca, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return socket;
}

export const LEASE_SEED = Buffer.alloc(32, 7);

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

export async function taskRow(database: Database, id: string): Promise<TaskRow> {
  return database.db.selectFrom("tasks").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
}
