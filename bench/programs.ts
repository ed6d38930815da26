/**
 * The peers, restic and borg: the newest that Debian offers for this machine, unpacked into the cache folder so
 * that the system stays as it is; where that fails, the programs found in PATH.
 */
import { existsSync, readdirSync, writeFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianCodename, downloadFromSuites, unpackAll } from "./debian.ts";
import { folder } from "./places.ts";
import { run, tryRun } from "./shell.ts";

export interface Program {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
  readonly folders: readonly string[];
  /** Debian's suite, or "PATH". */
  readonly origin: string;
}

/** restic is one static binary, so the next release's package runs here too. */
export function provideRestic(cacheDirectory: string): Program {
  const { root, origin } = unpack("restic", ["restic"], ["trixie"], cacheDirectory);
  const path = root === undefined ? "restic" : join(root, "usr/bin/restic");
  const folders = root === undefined ? [] : [root];
  return { path, env: {}, folders, origin, version: firstVersion(run(path, ["version"])) };
}

/** borg is Python with compiled parts: only packages built for this release fit the system's Python. */
export function provideBorg(cacheDirectory: string): Program {
  const packages = ["borgbackup", "python3-msgpack", "python3-packaging", "libxxhash0"];
  const { root, origin } = unpack("borg", packages, [], cacheDirectory);
  if (root === undefined) {
    return { path: "borg", env: {}, folders: [], origin, version: firstVersion(run("borg", ["--version"])) };
  }
  const script = join(root, "usr/bin/borg");
  const env = {
    PYTHONPATH: join(root, "usr/lib/python3/dist-packages"),
    LD_LIBRARY_PATH: libraryFolder(root),
  };
  return {
    path: script,
    env,
    folders: [root],
    origin,
    version: firstVersion(run(script, ["--version"], { env })),
  };
}

/** GNU time, which reports the exact resource usage of a process and its children. */
export function provideTime(cacheDirectory: string): string {
  const system = "/usr/bin/time";
  // GNU time says who it is on standard output or error, depending on its age; -f is what matters.
  if (existsSync(system) && tryRun(system, ["-q", "-f", "%M", "true"]) !== undefined) return system;
  const { root } = unpack("time", ["time"], [], cacheDirectory);
  if (root === undefined) throw new Error("GNU time is needed: install the package `time`");
  return join(root, "usr/bin/time");
}

/** Unpacks `packages` once below the cache folder; no root if this is no Debian or nothing offers them. */
function unpack(
  name: string,
  packages: readonly string[],
  newerSuites: readonly string[],
  cacheDirectory: string,
): { readonly root: string | undefined; readonly origin: string } {
  const root = join(cacheDirectory, "programs", name);
  const done = join(root, "origin");
  if (existsSync(done)) return { root, origin: readFileSync(done, "utf8") };
  const codename = debianCodename();
  if (codename === undefined) return { root: undefined, origin: "PATH" };
  const downloads = folder(cacheDirectory, "downloads", name);
  const suites = [...newerSuites, `${codename}-backports`, codename];
  try {
    const [main, ...dependencies] = packages;
    if (main === undefined) throw new Error("no package named");
    const origin = downloadFromSuites([main], suites, downloads, cacheDirectory);
    if (dependencies.length > 0) downloadFromSuites(dependencies, [codename], downloads, cacheDirectory);
    unpackAll(downloads, folder(root));
    writeFileSync(done, origin);
    return { root, origin };
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    console.error(`${name}: taking the one in PATH, because ${String(error)}`);
    return { root: undefined, origin: "PATH" };
  }
}

/** Debian's folder of shared libraries for this architecture, e.g. usr/lib/x86_64-linux-gnu. */
function libraryFolder(root: string): string {
  const names = readdirSync(join(root, "usr/lib")).filter((name) => name.includes("-linux-"));
  return names.map((name) => join(root, "usr/lib", name)).join(":");
}

function firstVersion(text: string): string {
  return /\d+(\.\d+)+\S*/.exec(text)?.[0] ?? "unknown";
}
