/** A Ceph object gateway with one monitor and one disk in memory: a real S3, on 127.0.0.1 and in a temporary folder. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { X509Certificate, randomUUID } from "node:crypto";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { cp, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { S3Credentials } from "../../src/s3/options.ts";
import { scratchFolder } from "../scratch-folder.ts";

const run = promisify(execFile);
const PROGRAMS = [
  "ceph",
  "ceph-authtool",
  "ceph-mon",
  "ceph-osd",
  "monmaptool",
  "openssl",
  "radosgw",
  "radosgw-admin",
  "setpriv",
];
const START_TIMEOUT_MS = 180_000;
const COMMAND_TIMEOUT_MS = 120_000;

/** The programs that are not there. */
export function missingS3Programs(): readonly string[] {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return PROGRAMS.filter((program) => !folders.some((folder) => isExecutable(join(folder, program))));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly secureEndpoint: string;
  /** What the gateway says, every request. */
  readonly logFiles: readonly string[];
  /** PEM file of the certificate, which signed itself. */
  readonly caFile: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  /** A new user with a first key. */
  addUser(name: string, quotaBytes?: number): Promise<S3Credentials>;
  /** Another key of a user instead of an earlier one. */
  replaceKey(name: string, old: S3Credentials): Promise<S3Credentials>;
  /** Ends the gateway at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts the gateway again. */
  restart(): Promise<void>;
}

class Cluster {
  readonly folder: string;
  readonly ports: {
    readonly v2: number;
    readonly v1: number;
    readonly plain: number;
    readonly secure: number;
  };
  readonly #children = new Set<ChildProcess>();

  constructor(folder: string, [v2 = 0, v1 = 0, plain = 0, secure = 0]: readonly number[]) {
    this.folder = folder;
    this.ports = { v2, v1, plain, secure };
    process.once("exit", () => {
      for (const child of this.#children) child.kill("SIGKILL");
    });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  get configuration(): string {
    return this.path("ceph.conf");
  }

  /** Starts a program that runs until it is ended, and that the system ends when this process is killed. */
  async start(program: string, ...args: readonly string[]): Promise<ChildProcess> {
    await using log = await open(this.path(`${program}.out`), "a");
    const command = ["--pdeathsig", "KILL", "--", program, "-c", this.configuration, ...args, "-f"];
    const child = spawn("setpriv", command, { stdio: ["ignore", log.fd, log.fd], env: environment() });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  async command(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run(program, args, { timeout: COMMAND_TIMEOUT_MS, env: environment() });
    return stdout;
  }

  async admin(...args: readonly string[]): Promise<unknown> {
    const text = await this.command("radosgw-admin", "-c", this.configuration, ...args);
    return text.trim() === "" ? undefined : JSON.parse(text);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children].map(stopChild));
  }
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin` };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

export async function startS3Server(): Promise<S3Server> {
  const scratch = await scratchFolder();
  const cluster = new Cluster(scratch.path, await freePorts(4));
  try {
    await writeConfiguration(cluster);
    await makeKeys(cluster);
    await makeCertificate(cluster);
    await startMonitor(cluster);
    await startDisk(cluster);
    let gateway = await startGateway(cluster);
    const certificate = new X509Certificate(await readFile(cluster.path("certificate.pem")));
    return {
      endpoint: `http://127.0.0.1:${String(cluster.ports.plain)}`,
      secureEndpoint: `https://127.0.0.1:${String(cluster.ports.secure)}`,
      logFiles: [cluster.path("client.rgw.a.log"), cluster.path("radosgw.out")],
      caFile: cluster.path("certificate.pem"),
      fingerprint: certificate.fingerprint256,
      addUser: (name, quotaBytes) => addUser(cluster, name, quotaBytes),
      replaceKey: (name, old) => replaceKey(cluster, name, old),
      kill: () => stopChild(gateway),
      restart: async () => {
        gateway = await startGateway(cluster);
      },
      [Symbol.asyncDispose]: async () => {
        await cluster.stop();
        await scratch[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await cluster.stop();
    await scratch[Symbol.asyncDispose]();
    throw error;
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function writeConfiguration(cluster: Cluster): Promise<void> {
  const { v2, v1, plain, secure } = cluster.ports;
  const keyFiles = `ssl_certificate=${cluster.path("certificate.pem")} ssl_private_key=${cluster.path("key.pem")}`;
  const endpoints = `endpoint=127.0.0.1:${String(plain)} ssl_endpoint=127.0.0.1:${String(secure)} ${keyFiles}`;
  const lines = [
    "[global]",
    `fsid = ${randomUUID()}`,
    `mon host = [v2:127.0.0.1:${String(v2)}/0,v1:127.0.0.1:${String(v1)}/0]`,
    "public addr = 127.0.0.1",
    "cluster addr = 127.0.0.1",
    "ms bind ipv6 = false",
    "auth cluster required = cephx",
    "auth service required = cephx",
    "auth client required = cephx",
    `keyring = ${cluster.path("keyring")}`,
    `run dir = ${cluster.path("run")}`,
    `log file = ${cluster.path("$name.log")}`,
    `admin socket = ${cluster.path("run", "$name.asok")}`,
    `pid file = ${cluster.path("run", "$name.pid")}`,
    `crash dir = ${cluster.path("run")}`,
    "osd pool default size = 1",
    "osd pool default min size = 1",
    "mon allow pool size one = true",
    "osd pool default pg num = 4",
    "osd pool default pg autoscale mode = off",
    "osd crush chooseleaf type = 0",
    "mon data avail crit = 1",
    "[mon.a]",
    `mon data = ${cluster.path("mon")}`,
    "[osd.0]",
    `osd data = ${cluster.path("osd")}`,
    "osd objectstore = memstore",
    "memstore device bytes = 4294967296",
    "osd class load list = *",
    "[client.rgw.a]",
    `rgw data = ${cluster.path("rgw")}`,
    `rgw frontends = beast tcp_nodelay=1 ${endpoints}`,
    "rgw thread pool size = 32",
    "rgw bucket quota ttl = 0",
    "rgw gc obj min wait = 5",
    "rgw gc processor period = 10",
  ];
  await writeFile(cluster.configuration, `${lines.join("\n")}\n`);
  for (const folder of ["mon", "osd", "rgw", "run"]) await mkdir(cluster.path(folder));
}

async function makeKeys(cluster: Cluster): Promise<void> {
  const keyring = cluster.path("keyring");
  const users = [
    ["mon.", "mon", "allow *"],
    ["client.admin", "mon", "allow *", "osd", "allow *", "mgr", "allow *"],
    ["osd.0", "mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"],
    ["client.rgw.a", "mon", "allow rw", "osd", "allow rwx"],
  ] as const;
  await cluster.command("ceph-authtool", "--create-keyring", keyring);
  for (const [name, ...caps] of users) {
    const granted: string[] = [];
    for (let index = 0; index < caps.length; index += 2) {
      granted.push("--cap", caps[index] ?? "", caps[index + 1] ?? "");
    }
    await cluster.command("ceph-authtool", keyring, "--gen-key", "-n", name, ...granted);
  }
  for (const folder of ["osd", "rgw"]) await cp(keyring, cluster.path(folder, "keyring"));
}

async function makeCertificate(cluster: Cluster): Promise<void> {
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", cluster.path("key.pem"), "-out", cluster.path("certificate.pem")];
  await cluster.command(
    "openssl",
    "req",
    "-x509",
    ...key,
    ...files,
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    "-addext",
    names,
  );
}

async function startMonitor(cluster: Cluster): Promise<void> {
  const conf = await readFile(cluster.configuration, "utf8");
  const fsid = /fsid = (\S+)/.exec(conf)?.[1] ?? "";
  const address = /mon host = (\S+)/.exec(conf)?.[1] ?? "";
  const map = cluster.path("monmap");
  await cluster.command("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, map);
  const keys = ["--keyring", cluster.path("keyring"), "--mon-data", cluster.path("mon")];
  await cluster.command(
    "ceph-mon",
    "-c",
    cluster.configuration,
    "--mkfs",
    "-i",
    "a",
    "--monmap",
    map,
    ...keys,
  );
  await cluster.start("ceph-mon", "-i", "a");
}

async function startDisk(cluster: Cluster): Promise<void> {
  const id = randomUUID();
  await cluster.command("ceph", "-c", cluster.configuration, "--connect-timeout", "60", "osd", "new", id);
  await cluster.command("ceph-osd", "-c", cluster.configuration, "-i", "0", "--mkfs", "--osd-uuid", id);
  await cluster.start("ceph-osd", "-i", "0");
}

async function startGateway(cluster: Cluster): Promise<ChildProcess> {
  const child = await cluster.start("radosgw", "-n", "client.rgw.a");
  const end = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await (await fetch(`http://127.0.0.1:${String(cluster.ports.plain)}/`)).text();
      return child;
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        throw new Error("The object gateway did not start.", { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

async function addUser(cluster: Cluster, name: string, quotaBytes?: number): Promise<S3Credentials> {
  const keys = newKey();
  await cluster.admin("user", "create", `--uid=${name}`, `--display-name=${name}`, ...keyOptions(keys));
  if (quotaBytes !== undefined) {
    const user = ["--quota-scope=user", `--uid=${name}`];
    await cluster.admin("quota", "set", ...user, `--max-size=${String(quotaBytes)}`);
    await cluster.admin("quota", "enable", ...user);
  }
  return keys;
}

async function replaceKey(cluster: Cluster, name: string, old: S3Credentials): Promise<S3Credentials> {
  const keys = newKey();
  const user = [`--uid=${name}`, "--key-type=s3"];
  await cluster.admin("key", "create", ...user, ...keyOptions(keys));
  await cluster.admin("key", "rm", ...user, `--access-key=${old.accessKeyId}`);
  return keys;
}

function newKey(): S3Credentials {
  const text = (): string => randomUUID().replaceAll("-", "");
  return { accessKeyId: text().slice(0, 20).toUpperCase(), secretAccessKey: text() };
}

function keyOptions({ accessKeyId, secretAccessKey }: S3Credentials): readonly string[] {
  return [`--access-key=${accessKeyId}`, `--secret=${secretAccessKey}`];
}
