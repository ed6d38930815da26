/**
 * Measures one whole process: GNU time starts it and reports, from wait4(2), what it and all children it waited for
 * used: user and system CPU time, and the largest resident set of any single process among them.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { run } from "./shell.ts";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Measurement {
  readonly wallSeconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly peakRssBytes: number;
  /** 1-minute load average before the start: above about 0.5, somebody else was working too. */
  readonly loadBefore: number;
}

/** Runs `command` to its end, its output into `log`. Throws when it ends with anything but 0. */
export function measure(command: Command, timeProgram: string, workDirectory: string): Measurement {
  const usage = join(workDirectory, "usage");
  const log = join(workDirectory, "log");
  const output = openSync(log, "w");
  const loadBefore = loadavg()[0] ?? 0;
  const start = process.hrtime.bigint();
  const result = spawnSync(
    timeProgram,
    ["-q", "-o", usage, "-f", "%U %S %M", command.program, ...command.args],
    {
      cwd: command.cwd ?? workDirectory,
      env: { ...process.env, ...command.env },
      stdio: ["ignore", output, output],
    },
  );
  const wallSeconds = Number(process.hrtime.bigint() - start) / 1e9;
  closeSync(output);
  if (result.status !== 0) {
    const said = readFileSync(log, "utf8").trim().split("\n").slice(-8).join("\n");
    throw new Error(`${command.program} ${command.args.join(" ")} ended with ${result.status}:\n${said}`);
  }
  const [user = Number.NaN, system = Number.NaN, peakKib = Number.NaN] = readFileSync(usage, "utf8")
    .trim()
    .split(" ")
    .map(Number);
  return {
    wallSeconds,
    userSeconds: user,
    systemSeconds: system,
    peakRssBytes: peakKib * 1024,
    loadBefore,
  };
}

/** Writes everything out and empties the page cache; only root can. Says whether it did. */
export function dropPageCache(): boolean {
  run("sync", []);
  if (process.getuid?.() !== 0) return false;
  writeFileSync("/proc/sys/vm/drop_caches", "3");
  return true;
}

/** Reads every file below `directory` once, so that the page cache holds what fits. */
export function warmPageCache(directory: string): void {
  run("sh", ["-c", 'tar cf - "$1" 2>/dev/null | cat >/dev/null', "sh", directory]);
}

/** Apparent size of everything below `directory` in bytes. */
export function storedBytes(directory: string): number {
  return Number.parseInt(run("du", ["-sb", directory]), 10);
}
