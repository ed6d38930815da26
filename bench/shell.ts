/** Runs a helper program to its end and hands back what it printed; nothing here is measured. */
import { spawnSync } from "node:child_process";

export interface ShellOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Standard output of `program`. Throws with the end of its standard error when it fails. */
export function run(program: string, args: readonly string[], options: ShellOptions = {}): string {
  const result = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    input: options.input ?? "",
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (result.error !== undefined) throw new Error(`cannot run ${program}`, { cause: result.error });
  if (result.status !== 0) {
    const said = result.stderr.trim().split("\n").slice(-5).join("\n");
    throw new Error(`${program} ${args.slice(0, 3).join(" ")} ended with ${result.status}: ${said}`);
  }
  return result.stdout;
}

/** Like run, at low priority: building corpora must not disturb whoever shares the machine. */
export function runNicely(program: string, args: readonly string[], options: ShellOptions = {}): string {
  return run("nice", ["-n", "15", program, ...args], options);
}

/** Standard output, or undefined when the program is missing or fails. */
export function tryRun(
  program: string,
  args: readonly string[],
  options: ShellOptions = {},
): string | undefined {
  try {
    return run(program, args, options);
  } catch {
    return undefined;
  }
}
