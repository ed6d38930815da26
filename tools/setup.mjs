/**
 * Makes a clone ready to run: installs the dependencies, builds the WebAssembly modules and the bundle of the program, and leaves a
 * stamp.
 *
 *   node tools/setup.mjs                         whatever is missing; called by `./holdfast`
 *   node tools/setup.mjs --dev --run FILE ARG... the same with the development tools, then FILE in the right Node.js
 *   node tools/setup.mjs --built-by-npm          the part after an installation; npm calls it as `prepare`
 *
 * This is the one script that runs before anything is installed, in any Node.js from 18 on: hence JavaScript, and
 * nothing but built-in modules. Two at once are safe: one installs, the others wait.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { constants, hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = join(ROOT, "node_modules");
const STAMP = join(MODULES, ".holdfast-ready");
const CACHE = join(ROOT, ".cache");
const LOCK = join(CACHE, "setup.lock");
/** Any package that only development needs: its presence tells a full installation. */
const DEV_MARK = join(MODULES, "typescript");

const LOCK_POLL_MS = 200;
const LOCK_HEARTBEAT_MS = 2_000;
/** A lock without a heartbeat for so long is left over from a process that was killed. */
const LOCK_STALE_MS = 30_000;
/** What is kept of npm's output for the case of a failure. */
const OUTPUT_LENGTH_MAX = 64 * 1024;
/** Network failures as npm and Node.js name them. */
const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR)\b/;

/** The signal that this process was sent while a child ran. */
let received;

/** A failure that a person can act on: told in one line, without a stack. */
class SetupError extends Error {
  constructor(message, code = 1) {
    super(message);
    this.exitCode = code;
  }
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 7);
}

function bundledNode() {
  const packages = existsSync(MODULES) ? readdirSync(MODULES).filter((name) => name.startsWith("node-")) : [];
  return packages
    .flatMap((name) => [join(MODULES, name, "bin", "node"), join(MODULES, name, "bin", "node.exe")])
    .find((path) => existsSync(path));
}

/** The Node.js that runs the project: the bundled one, else the present one. */
function projectNode() {
  const bundled = bundledNode();
  if (bundled !== undefined) return bundled;
  if (isNewEnough(process.versions.node)) return process.execPath;
  throw new SetupError(
    `No Node.js is carried for ${process.platform}-${process.arch}, and ${process.execPath} is version ${process.versions.node}. Install Node.js 24.7 or newer.`,
  );
}

function lockFileHash() {
  return createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
}

/** True when what is installed is what `package-lock.json` asks for. */
function isInstalled(dev) {
  if (!existsSync(STAMP) || (dev && !existsSync(DEV_MARK))) return false;
  return readFileSync(STAMP, "utf8").trim() === lockFileHash();
}

/** True when every built module is there and the stamp is newer than each source, as `./holdfast` tests it. */
function isBuilt() {
  if (!existsSync(STAMP)) return false;
  const stampMs = statSync(STAMP).mtimeMs;
  const isOld = (path) => statSync(path).mtimeMs > stampMs;
  if (isOld(join(ROOT, "package-lock.json"))) return false;
  for (const name of readdirSync(join(ROOT, "packages"))) {
    const sources = join(ROOT, "packages", name, "assembly");
    const built = join(ROOT, "packages", name, "build");
    if (!existsSync(sources)) continue;
    if (readdirSync(sources).some((source) => isOld(join(sources, source)))) return false;
    if (!existsSync(built) || !readdirSync(built).some((file) => file.endsWith(".wasm"))) return false;
  }
  return true;
}

/** Runs a program quietly. The answer is its exit code and the end of what it printed. */
function runQuietly(program, args) {
  return new Promise((resolve, reject) => {
    // npm is a batch file on Windows, which only a shell can start; no argument here comes from outside.
    const shell = process.platform === "win32" && program === "npm";
    const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], shell });
    let output = "";
    const keep = (text) => {
      output = (output + text).slice(-OUTPUT_LENGTH_MAX);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    const unforward = forwardSignals(child);
    child.on("error", (error) => {
      unforward();
      reject(new SetupError(`${program} could not be started: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      unforward();
      resolve({ code: exitCode(code, signal), output });
    });
  });
}

function exitCode(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/** Hands SIGINT, SIGTERM and SIGHUP to a child; this process ends when the child has. */
function forwardSignals(child) {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  const forward = (signal) => {
    received = signal;
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

async function install(dev) {
  process.stderr.write("Installing dependencies (once)...\n");
  // A full installation stays full. Install scripts are not needed: `prepare` is done below.
  const scope = dev || existsSync(DEV_MARK) ? "--include=dev" : "--omit=dev";
  const { code, output } = await runQuietly("npm", [
    "ci",
    scope,
    "--ignore-scripts",
    "--prefer-offline",
    "--no-progress",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
  ]);
  if (code === 0) return;
  if (received !== undefined) {
    throw new SetupError(
      "The installation was interrupted. The next start begins it again.",
      exitCode(null, received),
    );
  }
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !/^npm error\s+at /.test(line));
  process.stderr.write(lines.map((line) => `${line}\n`).join(""));
  throw new SetupError(
    UNREACHABLE.test(output)
      ? "The package registry cannot be reached. Check the network and the proxy settings of npm, then start again."
      : `npm ci failed with exit code ${code}; its output is above. Repair the cause, then start again.`,
  );
}

async function build() {
  const { code, output } = await runQuietly(projectNode(), [join(ROOT, "tools", "build-wasm.ts")]);
  if (code === 0) return;
  process.stderr.write(`${output.trimEnd()}\n`);
  throw new SetupError(
    `The WebAssembly modules could not be built (exit code ${code}); the output is above.`,
  );
}

/** Only for speed: where it fails, it has said so, and the program runs from its sources. */
async function bundle() {
  const { output } = await runQuietly(projectNode(), [join(ROOT, "tools", "build-program.ts")]);
  process.stderr.write(output);
}

function writeStamp() {
  const temporary = `${STAMP}.${process.pid}`;
  writeFileSync(temporary, `${lockFileHash()}\n`);
  renameSync(temporary, STAMP);
}

async function makeReady(dev) {
  if (isInstalled(dev) && isBuilt()) return;
  const release = await takeLock();
  try {
    // Another process may have done the work while this one waited.
    if (!isInstalled(dev)) await install(dev);
    else if (isBuilt()) return;
    await build();
    await bundle();
    writeStamp();
  } finally {
    release();
  }
}

/**
 * Takes the lock: a folder that appears complete, by a rename, which fails while another one stands there.
 * The holder touches it now and then, and a lock that nobody touches any more is removed.
 */
async function takeLock() {
  mkdirSync(CACHE, { recursive: true });
  const own = join(CACHE, `setup.${process.pid}.${Date.now()}`);
  mkdirSync(own);
  writeFileSync(join(own, "owner"), `${process.pid} ${hostname()}\n`);
  try {
    let waiting = false;
    while (!tryRename(own, LOCK)) {
      touch(own);
      if (isStale()) removeStale();
      else {
        if (!waiting) process.stderr.write("Waiting for another start that installs the dependencies...\n");
        waiting = true;
        await delay(LOCK_POLL_MS);
      }
    }
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    throw error;
  }
  const heartbeat = setInterval(() => {
    if (existsSync(LOCK)) touch(LOCK);
  }, LOCK_HEARTBEAT_MS);
  heartbeat.unref();
  return () => {
    clearInterval(heartbeat);
    if (existsSync(LOCK)) removeLock();
  };
}

/** By a rename first: a lock that is emptied in its place could be taken, and the new one removed with it. */
function removeLock() {
  const removed = `${LOCK}.${process.pid}.removed`;
  renameSync(LOCK, removed);
  rmSync(removed, { recursive: true, force: true });
}

function touch(path) {
  const now = new Date();
  utimesSync(path, now, now);
}

function tryRename(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    // A folder that is not empty stands there, or stood there at that moment. Windows has one code for all of it.
    if (["ENOTEMPTY", "EEXIST"].includes(error.code)) return false;
    if (error.code === "EPERM" && process.platform === "win32") return false;
    throw error;
  }
}

function isStale() {
  const state = statSync(LOCK, { throwIfNoEntry: false });
  if (state === undefined) return false;
  if (Date.now() - state.mtimeMs > LOCK_STALE_MS) return true;
  try {
    const [pid, host] = readFileSync(join(LOCK, "owner"), "utf8").trim().split(" ");
    if (host !== hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Only one process may judge and remove at a time, or a second one could remove the lock that followed. */
function removeStale() {
  const guard = `${LOCK}.removal`;
  try {
    mkdirSync(guard);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    // The work under the guard takes an instant: an old one belongs to nobody.
    const state = statSync(guard, { throwIfNoEntry: false });
    if (state !== undefined && Date.now() - state.mtimeMs > LOCK_STALE_MS)
      rmSync(guard, { recursive: true, force: true });
    return;
  }
  try {
    if (isStale()) removeLock();
  } finally {
    rmSync(guard, { recursive: true, force: true });
  }
}

/** Runs a script of the project in its Node.js, with this process's streams. The answer is the exit code. */
function runScript(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(projectNode(), args, { stdio: "inherit" });
    const unforward = forwardSignals(child);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      unforward();
      resolve(exitCode(code, signal));
    });
  });
}

async function main(args) {
  if (args[0] === "--built-by-npm") {
    await build();
    await bundle();
    writeStamp();
    return 0;
  }
  const [before, script] = args.includes("--run")
    ? [args.slice(0, args.indexOf("--run")), args.slice(args.indexOf("--run") + 1)]
    : [args, []];
  const unknown = before.find((argument) => argument !== "--dev");
  if (unknown !== undefined) throw new SetupError(`Unknown argument: ${unknown}`);
  await makeReady(before.includes("--dev"));
  return script.length === 0 ? 0 : runScript(script);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const denied = ["EACCES", "EPERM", "EROFS"].includes(error.code);
  const remedy = denied ? " Start once as somebody who may write to the clone." : "";
  const message =
    error instanceof SetupError || denied ? `${error.message}.`.replace(/\.\.$/, ".") : error.stack;
  process.stderr.write(`holdfast: ${message}${remedy}\n`);
  process.exitCode = error.exitCode ?? 1;
}
