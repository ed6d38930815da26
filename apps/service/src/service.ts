/**
 * The management service as one thing: opens database, vault and authority, puts the domains together, and listens.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import type { Server } from "node:https";
import { hostname } from "node:os";
import { AppError, type Clock, errorCode, makeFolder, systemClock, systemRandomness } from "@holdfast/kernel";
import { createAuditLog, type WrittenAuditLog } from "./audit/audit-log.ts";
import { openAuthority } from "./authority/authority.ts";
import { browserNames } from "./authority/server-names.ts";
import { prepareTls, type TlsOptions, type TlsPort } from "./authority/tls-server.ts";
import type { Database } from "./database/database.ts";
import { openDatabase } from "./database/open-database.ts";
import { lockForProcess } from "./database/process-lock.ts";
import type { OutageLog } from "./database/outage-log.ts";
import { createOutages } from "./database/outages.ts";
import { copyBeforeUpgrade, sqliteFileOf } from "./database/upgrade-copy.ts";
import { registerAgentRoutes } from "./devices/agent-routes.ts";
import { adoptWorker, createWorkerCode } from "./devices/own-worker.ts";
import { attachUploads } from "./downloads/upload-server.ts";
import { explainFullDisk } from "./disk-full.ts";
import { createDomains, type Domains, routesOf } from "./domains.ts";
import { noteCreations } from "./http/creations.ts";
import { timeDatabase } from "./http/database-time.ts";
import { createLog, describeError, type Log } from "./http/log.ts";
import { closeServer } from "./http/close-server.ts";
import { buildServer } from "./http/server.ts";
import { serveSetupPage, SETUP_PATH } from "./http/setup-page.ts";
import { createServiceMetrics, type ServiceMetrics } from "./http/service-metrics.ts";
import { startHousekeeper } from "./housekeeping/housekeeper.ts";
import { startNotifier } from "./notifications/notifier.ts";
import { startScheduler } from "./plans/scheduler.ts";
import { openOrCreateVault } from "./secrets/create-vault.ts";
import { finishRotation } from "./secrets/keyring.ts";
import { openVault } from "./secrets/open-vault.ts";
import { endOldProposals } from "./secrets/proposal-end.ts";
import { addRecoverySlots } from "./secrets/repository-slots.ts";
import type { OpenedVault } from "./secrets/vault-of-keys.ts";
import { createDispatcher, type Dispatcher } from "./tasks/dispatcher.ts";
import { createAuthentication } from "./users/authentication.ts";
import { createPasswordWork } from "./users/password-work.ts";
import { vouchForOldFactors } from "./users/second-factor-head.ts";
import { createSetupToken } from "./users/setup.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface ServiceOptions {
  /** Made when it is missing, for its owner alone. */
  readonly dataFolder: string;
  /** Made by the first start. */
  readonly unlockFile: string;
  /** Opens the vault in place of the unlock file; the vault is there then. It stays the caller's to wipe. */
  readonly unlockPassphrase?: Uint8Array;
  readonly listen: ListenAddress;
  /** `https://HOST:PORT` where agents reach this very process, when several share the database. Default: what it listens on. */
  readonly ownAddress?: string;
  /** URL, as `openDatabase` takes it. */
  readonly database: string;
  /** For browsers. Default: the service issues itself a certificate. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  readonly version: string;
  /** One JSON object a line. */
  readonly log: (line: string) => void;
}

export interface RunningService {
  readonly url: string;
  /** As long as there is no administrator: where the first one is made. */
  readonly setupLink: string | undefined;
  /** A code for the worker of this machine. */
  readonly workerCode: () => Promise<string>;
  /** Makes a device that was enrolled with such a code a worker. */
  readonly adoptWorker: (deviceId: string) => Promise<void>;
  /** Gracefully: requests that run are answered, channels closed, the audit log signed. */
  readonly stop: () => Promise<void>;
}

const CHECKPOINT_MS = 3_600_000;
/** Proposed values of passwords do not lie around for longer. */
const SWEEP_MS = 60_000;

/**
 * Starts the service; the first start makes everything that it needs.
 *
 * @throws AppError `ERR_USAGE`, `ERR_DATABASE_UNREACHABLE`, `ERR_DATABASE_NEWER`, `ERR_UNLOCK_FILE`, `ERR_KEY_WRONG`,
 * `ERR_VAULT_DAMAGED`, `ERR_LISTEN`, `ERR_SERVICE_RUNNING`, `ERR_DISK_FULL`.
 */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  try {
    return await start(options);
  } catch (error) {
    throw explainFullDisk(error, { ...options, databaseFile: sqliteFileOf(options.database) });
  }
}

async function start(options: ServiceOptions): Promise<RunningService> {
  const clock = systemClock;
  const log = createLog(clock, (line) => options.log(line.trimEnd()));
  await makeDataFolder(options.dataFolder);
  await using opening = new AsyncDisposableStack();
  opening.use(lockForProcess(options.database));
  const copy = copyBeforeUpgrade(options.database, clock);
  if (copy !== undefined)
    log.info("database-copied", { file: copy, reason: "its tables are brought up to date" });
  const opened = opening.use(await openDatabase(options.database));
  const metrics = createServiceMetrics();
  opening.defer(metrics.stop);
  const database = noteCreations(timeDatabase(opened, metrics.queried));
  const vault = opening.use(await openVaultOf(database, clock, options));
  const parts = await putTogether({ database, vault, clock, log, metrics }, options);
  opening.defer(() => parts.end());
  await parts.start();
  const token = await createSetupToken(parts.domains);
  const url = await listen(parts.server, options.listen);
  parts.domains.transfers.setOwnAddress(options.ownAddress ?? url);
  const closing = opening.move();
  const { fingerprint256: authority } = new X509Certificate(parts.domains.authority.certificate);
  log.info("listening", { url, database: database.kind, authority });
  return {
    url,
    setupLink: token === undefined ? undefined : `${url}${SETUP_PATH}#${token}`,
    workerCode: () => createWorkerCode(parts.domains),
    adoptWorker: (id) => adoptWorker(parts.domains, id),
    stop: () => closing.disposeAsync(),
  };
}

interface Ground {
  readonly database: Database;
  readonly vault: OpenedVault;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ServiceMetrics;
}

interface Parts {
  readonly domains: Domains;
  readonly server: Server;
  readonly start: () => Promise<void>;
  readonly end: () => Promise<void>;
}

async function putTogether(
  { database, vault, clock, log, metrics }: Ground,
  options: ServiceOptions,
): Promise<Parts> {
  const ports = { database, vault, clock, randomness: systemRandomness };
  const audit = createAuditLog({
    ...ports,
    // Kept with the log, the end of the audit log cannot be cut off unseen.
    onCheckpoint: ({ number, hash, signature }) =>
      log.info("audit-checkpoint", {
        number,
        hash: hash.toString("hex"),
        signature: signature.toString("hex"),
      }),
  });
  const authority = await openAuthority(ports);
  const domains = createDomains({
    ...ports,
    audit,
    authority,
    passwords: createPasswordWork(systemRandomness),
  });
  const outages = createOutages(database, log);
  const failed = (error: unknown): void => {
    if (!outages.tell(error)) log.error("unforeseen", describeError(error));
  };
  const dispatcher = createDispatcher({ ...domains, failed, handedOut: metrics.handedOut });
  const tls = await prepareTls({ authority, clock, browser: await browserSide(options) });
  const { promise, resolve } = Promise.withResolvers<Server>();
  const app = await buildServer(
    {
      database,
      clock,
      log,
      authentication: createAuthentication(domains),
      outage: outages.tell,
      measured: metrics.collect,
    },
    {
      routes: routesOf(domains, failed),
      version: options.version,
      extend: (instance) => {
        serveSetupPage(instance);
        registerAgentRoutes(instance, domains);
      },
      serverFactory: (handler) => {
        const server = tls.createServer(handler);
        resolve(server);
        return server;
      },
    },
  );
  const server = await promise;
  const close = async (): Promise<void> => {
    await app.close();
    await closeServer(server);
  };
  dispatcher.attach(server);
  attachUploads(server, { ...domains, db: database.db, failed });
  return {
    domains,
    server,
    ...lifecycle({ domains, dispatcher, tls, audit, failed, outages, metrics, close }),
  };
}

interface Lives {
  readonly domains: Domains;
  readonly dispatcher: Dispatcher;
  readonly tls: TlsPort;
  readonly audit: WrittenAuditLog;
  readonly failed: (error: unknown) => void;
  readonly outages: OutageLog;
  readonly metrics: ServiceMetrics;
  readonly close: () => Promise<void>;
}

function lifecycle({
  domains,
  dispatcher,
  tls,
  audit,
  failed,
  outages,
  metrics,
  close,
}: Lives): Pick<Parts, "start" | "end"> {
  const endings: (() => Promise<void>)[] = [];
  const unlessAbsent = async (work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => {
      if (!outages.tell(error)) throw error;
    });
  };
  /** By a kill, an absent database, or another process; nothing that runs waits for it. */
  const finishWhatWasLeft = async (): Promise<void> => {
    await finishRotation(domains).catch(failed);
    await addRecoverySlots(domains);
  };
  return {
    start: async () => {
      await audit.checkpoint();
      await vouchForOldFactors(domains);
      await finishWhatWasLeft().catch(failed);
      await dispatcher.start();
      const scheduler = startScheduler({ ...domains, scheduled: metrics.scheduled }, failed);
      const housekeeper = startHousekeeper(
        { ...domains, deleted: metrics.deleted, finished: metrics.keptHouse },
        failed,
      );
      const notifier = startNotifier(domains, failed);
      const timer = setInterval(() => {
        audit.checkpoint().catch(failed);
        finishWhatWasLeft().catch(failed);
      }, CHECKPOINT_MS);
      const sweeper = setInterval(() => {
        endOldProposals(domains).catch(failed);
      }, SWEEP_MS);
      endings.push(async () => {
        clearInterval(timer);
        clearInterval(sweeper);
        await scheduler.stop();
        await housekeeper.stop();
        await notifier.stop();
      });
    },
    end: async () => {
      tls.stop();
      for (const end of endings) await end();
      try {
        // That its devices are free, the other processes see without being told, if the database is absent.
        await unlessAbsent(dispatcher.stop);
      } finally {
        await close();
      }
      await unlessAbsent(audit.checkpoint);
      outages.stop();
    },
  };
}

async function makeDataFolder(path: string): Promise<void> {
  try {
    if ((await makeFolder(path, 0o700)) !== undefined) return;
    await access(path, constants.W_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("ERR_FAILED", `The data folder ${path} cannot be used: ${reason}.`, {
      subject: path,
      remedy: "Name a folder that this user may write to with --data.",
      cause,
    });
  }
}

async function openVaultOf(
  database: Database,
  clock: Clock,
  { unlockFile, unlockPassphrase, dataFolder }: ServiceOptions,
): Promise<OpenedVault> {
  const ports = { clock, randomness: systemRandomness };
  if (unlockPassphrase !== undefined) {
    return openVault(database.db, { kind: "passphrase", passphrase: unlockPassphrase }, ports);
  }
  return openOrCreateVault(database, {
    ...ports,
    unlockFile: { path: unlockFile, dataFolder },
  });
}

async function browserSide({ tls, listen: { host } }: ServiceOptions): Promise<TlsOptions["browser"]> {
  if (tls === undefined) return browserNames([hostname(), host]);
  return {
    certificate: await readFile(tls.certificateFile, "utf8"),
    key: await readFile(tls.keyFile, "utf8"),
  };
}

async function listen(server: Server, { host, port }: ListenAddress): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    const reason = errorCode(cause) ?? "it failed";
    throw new AppError("ERR_LISTEN", `The service cannot listen on ${host}:${String(port)}: ${reason}.`, {
      subject: "--listen",
      remedy: "Stop what listens there, or choose another address or port.",
      cause,
    });
  }
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return `https://${urlHost(host)}:${String(bound)}`;
}

/** What a person can open: no one reaches "all addresses". */
function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return hostname();
  return host.includes(":") ? `[${host}]` : host;
}
