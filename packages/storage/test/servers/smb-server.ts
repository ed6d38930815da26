/**
 * Samba on 127.0.0.1 for tests, with everything it writes in a temporary folder. Needs root, as smbd does.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A user that every Debian has, with its number. */
export const SMB_USER = "daemon";
const SMB_USER_ID = 1;
const SMBD = "/usr/sbin/smbd";
const LIBRARY_FOLDERS = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
const READY_ATTEMPTS = 200;
const READY_WAIT_MS = 50;

export interface SmbServer extends AsyncDisposable {
  readonly port: number;
  /** The folder of the share "storage". */
  readonly folder: string;
  readonly password: string;
  /** Kills every process of it, as a power cut would. */
  readonly kill: () => void;
  readonly start: () => Promise<void>;
  /** Processes that serve a connection each, and the server's own helpers. */
  readonly children: () => readonly number[];
  /** What `smbstatus -p` says of the sessions. */
  readonly sessions: () => string;
}

/** Why there can be no server here; undefined when there can. */
export function smbServerAbsence(): string | undefined {
  try {
    accessSync(SMBD, constants.X_OK);
  } catch {
    return "smbd is missing (Debian package samba)";
  }
  if (!LIBRARY_FOLDERS.some((folder) => existsSync(join(folder, "libsmbclient.so.0")))) {
    return "libsmbclient.so.0 is missing (Debian package libsmbclient)";
  }
  return process.getuid?.() === 0 ? undefined : "smbd needs root";
}

/** @param global more lines for the section [global]. */
export async function startSmbServer(global: readonly string[]): Promise<SmbServer> {
  const work = await mkdtemp(join(tmpdir(), "holdfast-smb-"));
  await chmod(work, 0o755);
  const folder = join(work, "storage");
  for (const name of ["storage", "private", "locks", "state", "cache", "pid", "rpc"])
    await mkdir(join(work, name));
  await chown(folder, SMB_USER_ID, SMB_USER_ID);
  const port = await freePort();
  const configuration = join(work, "smb.conf");
  await writeFile(configuration, settings(work, port, global));
  const password = "Kr\u00f6te 7/x";
  execFileSync("smbpasswd", ["-c", configuration, "-s", "-a", SMB_USER], {
    input: `${password}\n${password}\n`,
    stdio: ["pipe", "ignore", "ignore"],
  });
  let running: ChildProcess | undefined;
  const kill = (): void => {
    if (running?.pid === undefined || running.exitCode !== null) return;
    for (const pid of [...descendants(running.pid), running.pid]) end(pid);
    running = undefined;
  };
  process.once("exit", kill);
  const start = async (): Promise<void> => {
    running = spawn(SMBD, ["-s", configuration, "-F", "--no-process-group"], { stdio: "ignore" });
    await answers(port);
  };
  await start();
  return {
    port,
    folder,
    password,
    kill,
    start,
    children: () => (running?.pid === undefined ? [] : descendants(running.pid)),
    sessions: () => execFileSync("smbstatus", ["-s", configuration, "-p"], { encoding: "utf8" }),
    [Symbol.asyncDispose]: async () => {
      kill();
      process.removeListener("exit", kill);
      await rm(work, { recursive: true, force: true });
    },
  };
}

function settings(work: string, port: number, global: readonly string[]): string {
  const lines = [
    "[global]",
    `smb ports = ${String(port)}`,
    "interfaces = 127.0.0.1/8",
    "bind interfaces only = yes",
    "disable netbios = yes",
    "security = user",
    "map to guest = never",
    "server min protocol = SMB2_02",
    `passdb backend = tdbsam:${join(work, "private", "passdb.tdb")}`,
    `private dir = ${join(work, "private")}`,
    `lock directory = ${join(work, "locks")}`,
    `state directory = ${join(work, "state")}`,
    `cache directory = ${join(work, "cache")}`,
    `pid directory = ${join(work, "pid")}`,
    `ncalrpc dir = ${join(work, "rpc")}`,
    `log file = ${join(work, "log")}`,
    "log level = 0",
    "load printers = no",
    "printing = bsd",
    "printcap name = /dev/null",
    "disable spoolss = yes",
    ...global,
    "[storage]",
    `path = ${join(work, "storage")}`,
    "read only = no",
    "[frozen]",
    `path = ${join(work, "storage")}`,
    "read only = yes",
    "[private]",
    `path = ${join(work, "storage")}`,
    "valid users = root",
  ];
  return `${lines.join("\n")}\n`;
}

/** A port that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No port was given.");
  return address.port;
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < READY_ATTEMPTS; attempt += 1) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => {
        resolve(false);
      });
    });
    if (connected) return;
    await sleep(READY_WAIT_MS);
  }
  throw new Error(`smbd does not answer at port ${String(port)}.`);
}

export function descendants(pid: number): readonly number[] {
  const found: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
      const text = readFileSync(`/proc/${String(pid)}/task/${thread}/children`, "utf8");
      for (const word of text.split(" ")) {
        if (word.trim() === "") continue;
        found.push(Number(word), ...descendants(Number(word)));
      }
    }
  } catch {
    // It ended meanwhile.
  }
  return found;
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
