/**
 * A clone that has what a start needs, with sources to change and the installed packages of this one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";

const root = join(import.meta.dirname, "../..");

const COPIED = [
  "holdfast",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tools",
  "{apps,packages}/*/package.json",
  "{apps,packages}/*/src",
  "packages/*/{assembly,build}",
];

export interface Start {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

export interface SmallClone {
  readonly path: (...names: string[]) => string;
  readonly builds: string;
  /** Name of the build that `./holdfast` would run. */
  readonly currentId: () => string;
  /** Names of whole builds, and of anything else that stands there by mistake. */
  readonly buildNames: () => readonly string[];
  /** Changes a source where `from` stands in it. */
  readonly edit: (source: string, from: string, to: string) => void;
  readonly start: (argumentsGiven: readonly string[], env?: Environment, user?: number) => ChildProcess;
  readonly run: (argumentsGiven: readonly string[], env?: Environment, user?: number) => Promise<Start>;
}

export function makeSmallClone(context: TestContext): SmallClone {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-clone-"));
  const started: ChildProcess[] = [];
  context.after(() => {
    for (const child of started) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  chmodSync(folder, 0o755);
  const path = (...names: string[]): string => join(folder, ...names);
  copySources(folder);
  linkPackages(folder);
  const builds = path("apps/command/build");
  const start: SmallClone["start"] = (argumentsGiven, env = {}, user) => {
    const child = spawn(path("holdfast"), argumentsGiven, {
      cwd: "/",
      // Nothing is kept of what is compiled: the folder would not be the same for every user.
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, NODE_DISABLE_COMPILE_CACHE: "1", ...env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
    started.push(child);
    return child;
  };
  return {
    path,
    builds,
    currentId: () => readFileSync(join(builds, "current"), "utf8").trim(),
    buildNames: () => readdirSync(builds).filter((name) => name !== "current"),
    edit: (source, from, to) => {
      const text = readFileSync(path(source), "utf8");
      assert(text.includes(from), `${source} has no ${from}`);
      writeFileSync(path(source), text.replace(from, to));
    },
    start,
    run: (argumentsGiven, env, user) => {
      const child = start(argumentsGiven, env, user);
      child.stdin?.end();
      return ended(child);
    },
  };
}

export async function ended(child: ChildProcess): Promise<Start> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject).on("close", resolve);
  const exit = await promise;
  return { exit, stdout, stderr };
}

/** With their times, as far as they are older than what is built. */
function copySources(folder: string): void {
  for (const name of COPIED.flatMap((pattern) => globSync(pattern, { cwd: root }))) {
    if (name === join("apps", "command", "build")) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(root, name), join(folder, name), { recursive: true, preserveTimestamps: true });
  }
}

function linkPackages(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@holdfast"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === "@holdfast" || name.startsWith(".")) continue;
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const name of globSync("{apps,packages}/*", { cwd: folder }))
    symlinkSync(join("../..", name), join(modules, "@holdfast", name.split("/").at(-1) ?? ""));
  const stamp = join(root, "node_modules", ".holdfast-ready");
  assert(existsSync(stamp), "npm ci has not come to its end");
  writeFileSync(join(modules, ".holdfast-ready"), readFileSync(stamp));
}
