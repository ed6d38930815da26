/** OpenSSH's server as an SFTP storage for tests, on 127.0.0.1 and in a folder of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_TIMEOUT_MS = 15_000;
const POLL_MS = 30;

function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const SSHD = findProgram("sshd");

/** Why tests with this server are skipped; false when they are not. */
export const sshdMissing: string | false =
  SSHD !== undefined && findProgram("ssh-keygen") !== undefined && process.platform !== "win32"
    ? false
    : "needs sshd and ssh-keygen (Debian packages openssh-server and openssh-client)";

export interface SftpServerOptions {
  /** Of sftp-server, such as -R for read-only. */
  readonly arguments?: readonly string[];
  /** Lines of sshd_config. */
  readonly config?: readonly string[];
  /** Without: nothing but shells. */
  readonly subsystem?: boolean;
}

export interface SftpServer extends AsyncDisposable {
  readonly port: number;
  /** On this machine and on the server. */
  readonly folder: string;
  /** Private key that logs in, without passphrase. */
  readonly keyFile: string;
  /** Knows this server. */
  readonly knownHosts: string;
  /** What the server says, every call of a session. */
  readonly logFile: string;
  /** Public key of the host: its type and its base64. */
  readonly hostKey: readonly [string, string];
  url(path: string): string;
  /** Ends the server and all its sessions without a good-bye. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export async function startSftpServer(options: SftpServerOptions = {}): Promise<SftpServer> {
  const scratch = await mkdtemp(join(tmpdir(), "holdfast-sftp-"));
  const server = new Sshd(scratch, await freePort());
  await server.prepare(options);
  await server.start();
  return server;
}

/** A new key pair; returns the path of the private key. */
export function makeKey(path: string, type = "ed25519", passphrase = ""): string {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-f", path], { stdio: "ignore" });
  return path;
}

class Sshd implements SftpServer {
  readonly port: number;
  readonly folder: string;
  readonly keyFile: string;
  readonly knownHosts: string;
  readonly logFile: string;
  hostKey: readonly [string, string] = ["", ""];
  readonly #scratch: string;
  readonly #config: string;
  #child: ChildProcess | undefined;

  constructor(scratch: string, port: number) {
    this.#scratch = scratch;
    this.port = port;
    this.folder = join(scratch, "storage");
    this.keyFile = join(scratch, "client");
    this.knownHosts = join(scratch, "known_hosts");
    this.logFile = join(scratch, "sshd.log");
    this.#config = join(scratch, "sshd_config");
  }

  url(path: string): string {
    return `sftp://${userInfo().username}@127.0.0.1:${String(this.port)}${path}`;
  }

  async prepare(options: SftpServerOptions): Promise<void> {
    await mkdir(this.folder);
    makeKey(this.keyFile);
    const host = makeKey(join(this.#scratch, "host"));
    const [type = "", base64 = ""] = (await readFile(`${host}.pub`, "utf8")).split(" ");
    this.hostKey = [type, base64];
    await writeFile(this.knownHosts, `[127.0.0.1]:${String(this.port)} ${type} ${base64}\n`);
    // The first value of a setting counts.
    const lines = [
      ...(options.config ?? []),
      `Port ${String(this.port)}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${host}`,
      "PidFile none",
      `AuthorizedKeysFile ${this.keyFile}.pub`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin yes",
      "MaxStartups 100",
      "LogLevel ERROR",
    ];
    const subsystem = `Subsystem sftp internal-sftp ${(options.arguments ?? []).join(" ")}`;
    if (options.subsystem !== false) lines.push(subsystem);
    await writeFile(this.#config, `${lines.join("\n")}\n`);
  }

  async start(): Promise<void> {
    assert(SSHD !== undefined && this.#child === undefined);
    // For privilege separation, which only root does.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const log = openSync(this.logFile, "a");
    const child = spawn(SSHD, ["-D", "-e", "-f", this.#config], { stdio: ["ignore", "ignore", log] });
    closeSync(log);
    this.#child = child;
    process.once("exit", this.#killAll);
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(this.port))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`sshd did not start: ${readFileSync(this.logFile, "utf8").slice(-4000)}`);
      await sleep(POLL_MS);
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    this.#killAll();
    await gone;
    process.off("exit", this.#killAll);
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  readonly #killAll = (): void => {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    const sessions = descendants(pid);
    for (const each of [pid, ...sessions]) killIfThere(each);
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** Sessions are processes of their own; Linux only. */
function descendants(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const entry of listProcesses()) {
    const parent = parentOf(entry);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), entry]);
  }
  const found: number[] = [];
  for (let next = [pid]; next.length > 0; ) {
    next = next.flatMap((each) => children.get(each) ?? []);
    found.push(...next);
  }
  return found;
}

function listProcesses(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, "latin1");
    return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  server.close();
  await once(server, "close");
  return address.port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "data");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
