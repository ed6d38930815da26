/** The real command `holdfast serve` as a process of its own, and what the kernel says of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { repositoryRoot } from "../places.ts";

export interface ServiceProcess {
  readonly url: string;
  readonly setupToken: string;
  /** Of the process, user and system, so far. */
  readonly cpuSeconds: () => number;
  readonly residentBytes: () => number;
  readonly stop: () => Promise<void>;
}

export interface Places {
  readonly data: string;
  readonly unlockFile: string;
  readonly database: string;
  /** Its log. */
  readonly log: string;
}

/** `sysconf(_SC_CLK_TCK)` on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIBIBYTE = 1024;

export async function startServiceProcess(
  { data, unlockFile, database, log }: Places,
  extra: readonly string[] = [],
): Promise<ServiceProcess> {
  // Options of Node.js are for a look inside, at the sources; else it is what users start.
  const [program, ...start]: readonly [string, ...string[]] =
    extra.length === 0
      ? [join(repositoryRoot, "holdfast")]
      : [process.execPath, ...extra, join(repositoryRoot, "apps/command/src/main.ts")];
  const given = ["serve", "--json", "--no-worker", "--listen", "127.0.0.1:0", "--data", data];
  const logFile = openSync(log, "a", 0o600);
  const child = spawn(program, [...start, ...given, "--unlock-file", unlockFile, "--database", database], {
    stdio: ["ignore", "pipe", logFile],
  });
  closeSync(logFile);
  const { url, setupLink } = await listening(child, log);
  const stat = (): string[] =>
    readFileSync(`/proc/${String(child.pid)}/stat`, "utf8")
      .split(") ")[1]
      ?.split(" ") ?? [];
  return {
    url,
    setupToken: setupLink === undefined ? "" : new URL(setupLink).hash.slice(1),
    // Fields 14 and 15 of proc_pid_stat(5), counted from the third.
    cpuSeconds: () => (Number(stat()[11]) + Number(stat()[12])) / TICKS_PER_SECOND,
    residentBytes: () => {
      const status = readFileSync(`/proc/${String(child.pid)}/status`, "utf8");
      return Number(/^VmRSS:\s*(\d+)/mu.exec(status)?.[1] ?? 0) * KIBIBYTE;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function listening(
  child: ChildProcess,
  log: string,
): Promise<{ url: string; setupLink: string | undefined }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    url: string;
    setupLink: string | undefined;
  }>();
  child.once("exit", () => reject(new Error(`the service ended: ${readFileSync(log, "utf8").slice(-2000)}`)));
  if (child.stdout === null) throw new Error("the service has no output");
  createInterface(child.stdout).on("line", (line) => {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null || !("url" in said)) return;
    const link = "setupLink" in said ? String(said.setupLink) : undefined;
    resolve({ url: String(said.url), setupLink: link });
  });
  return promise;
}
