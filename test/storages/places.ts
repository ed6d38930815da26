/**
 * The real servers that whole repositories are tested on, one like the other. Where a server's programs are missing, its
 * tests are skipped and say so.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AzureServer, startAzureServer } from "../../packages/storage/test/servers/azure-server.ts";
import { contentOfBucket, makeBucket } from "../../packages/storage/test/servers/s3-bucket.ts";
import { missingS3Programs, startS3Server } from "../../packages/storage/test/servers/s3-server.ts";
import { sshdMissing, startSftpServer } from "../../packages/storage/test/servers/sftp-server.ts";
import {
  SMB_USER,
  smbServerAbsence,
  startSmbServer,
} from "../../packages/storage/test/servers/smb-server.ts";
import { startWebdavServer, webdavServerMissing } from "../../packages/storage/test/servers/webdav-server.ts";

/** One port of a server, and how a URL names a storage behind it. */
export interface Door {
  readonly port: number;
  /** @param port of a proxy in front of it. */
  readonly url: (folder: string, port?: number) => string;
  /** Bytes that were changed on their way to the server are refused by it, or by the connection. */
  readonly noticesChanges: boolean;
}

export interface PlaceServer extends AsyncDisposable {
  /** Protected from everybody in between. */
  readonly door: Door;
  /** With as little protection as the protocol allows. */
  readonly openDoor?: Door;
  readonly credentials: Readonly<Record<string, string>>;
  /** Everything that it stores and logs, with names: for servers whose disk or API tells. */
  readonly seen?: () => Promise<readonly Buffer[]>;
  /** Ends it at once, as a crash would. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
}

export interface Place {
  readonly name: string;
  /** Why its tests are skipped; false when they are not. */
  readonly skip: string | false;
  readonly start: () => Promise<PlaceServer>;
  /** What else, besides a backup, a server of this kind is killed in. */
  readonly killedDuring: "restore" | "clean" | "replicate";
}

const MISSING_FOR_S3 = missingS3Programs();

export const PLACES: readonly Place[] = [
  { name: "SFTP", skip: sshdMissing, start: startSftp, killedDuring: "clean" },
  { name: "WebDAV", skip: webdavServerMissing, start: startWebdav, killedDuring: "restore" },
  { name: "SMB", skip: smbServerAbsence() ?? false, start: startSmb, killedDuring: "replicate" },
  {
    name: "S3",
    skip: MISSING_FOR_S3.length > 0 ? `needs ${MISSING_FOR_S3.join(", ")}` : false,
    start: startS3,
    killedDuring: "clean",
  },
  { name: "Azure Blob", skip: false, start: startAzure, killedDuring: "replicate" },
];

/** The URL with one more setting. */
export function withSetting(url: string, setting: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}${setting}`;
}

/** Names and contents below a folder. */
function contentBelow(folder: string): readonly Buffer[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [Buffer.from(path), ...(entry.isFile() ? [readFileSync(path)] : [])];
  });
}

async function startSftp(): Promise<PlaceServer> {
  const server = await startSftpServer({ config: ["LogLevel DEBUG1"] });
  const [, key] = server.hostKey;
  const digest = execFileSync("openssl", ["dgst", "-sha256", "-binary"], {
    input: Buffer.from(key, "base64"),
  });
  const fingerprint = `SHA256:${digest.toString("base64").replace(/=+$/u, "")}`;
  const own = `:${String(server.port)}/`;
  return {
    door: {
      port: server.port,
      url: (folder, port = server.port) => {
        const url = server.url(`${server.folder}/${folder}`).replace(own, `:${String(port)}/`);
        return withSetting(url, `fingerprint=${fingerprint}`);
      },
      noticesChanges: true,
    },
    credentials: { keyFile: server.keyFile },
    seen: async () => [...contentBelow(server.folder), readFileSync(server.logFile)],
    kill: () => server.kill(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function startWebdav(): Promise<PlaceServer> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startWebdavServer({ tls: true, authentication: "basic" }));
  const plain = stack.use(await startWebdavServer({ tls: false, authentication: "basic" }));
  const credentials = { user: "alice", password: "first secret" };
  for (const one of [server, plain]) await one.setUser(credentials.user, credentials.password);
  const ca = `${server.files}/../authority-of-test.pem`;
  writeFileSync(ca, server.authority.pem);
  const servers = stack.move();
  return {
    door: {
      port: server.port,
      url: (folder, port) => withSetting(server.url(folder, port), `ca=${encodeURIComponent(ca)}`),
      noticesChanges: true,
    },
    openDoor: { port: plain.port, url: (folder, port) => plain.url(folder, port), noticesChanges: false },
    credentials,
    seen: async () => [...contentBelow(server.files), ...server.logFiles.map((path) => readFileSync(path))],
    kill: () => server.kill(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

async function startSmb(): Promise<PlaceServer> {
  const server = await startSmbServer([]);
  const url = (folder: string, port = server.port): string =>
    `smb://127.0.0.1:${String(port)}/storage/${folder}`;
  return {
    door: {
      port: server.port,
      url: (folder, port) => withSetting(url(folder, port), "encrypt=required"),
      noticesChanges: true,
    },
    // Every connection is signed.
    openDoor: { port: server.port, url, noticesChanges: true },
    credentials: { user: SMB_USER, password: server.password },
    kill: () => Promise.resolve(server.kill()),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const BUCKET = "holdfast-command";

async function startS3(): Promise<PlaceServer> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startS3Server());
  const { accessKeyId, secretAccessKey } = await server.addUser("backup");
  await makeBucket(server.endpoint, BUCKET, { accessKeyId, secretAccessKey });
  const door = (endpoint: string, more: string): Door => ({
    port: Number(new URL(endpoint).port),
    url: (folder, port) => {
      const behind = new URL(endpoint);
      if (port !== undefined) behind.port = String(port);
      return `s3://${BUCKET}/${folder}?region=default&endpoint=${behind.origin}${more}`;
    },
    // The digest of every body is signed.
    noticesChanges: true,
  });
  const servers = stack.move();
  return {
    door: door(server.secureEndpoint, `&ca=${encodeURIComponent(server.caFile)}`),
    openDoor: door(server.endpoint, ""),
    credentials: { accessKeyId, secretAccessKey },
    seen: async () => [
      ...(await contentOfBucket(server.endpoint, BUCKET, { accessKeyId, secretAccessKey })),
      ...server.logFiles.map((path) => readFileSync(path)),
    ],
    kill: () => server.kill(),
    start: () => server.restart(),
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

async function startAzure(): Promise<PlaceServer> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startAzureServer({ tls: true }));
  const plain = stack.use(await startAzureServer({ accountKey: server.accountKey }));
  const container = await server.makeContainer("holdfast-command");
  await plain.makeContainer(container);
  const door = (to: AzureServer, more: string): Door => ({
    port: to.port,
    url: (folder, port) => `azure://${container}/${folder}?endpoint=${to.endpoint(port)}${more}`,
    // Every body is sent with its digest.
    noticesChanges: true,
  });
  const servers = stack.move();
  return {
    door: door(server, `&ca=${encodeURIComponent(server.authority.certificatePath)}`),
    openDoor: door(plain, ""),
    // The least rights that docs/storages.md names.
    credentials: { sas: server.sas(container, "rdlc") },
    kill: () => server.kill(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}
