/**
 * Fetches Debian packages without touching the system: an own source list, own state and cache folders, and
 * `dpkg -x` into a folder. The mirror is whatever the machine's own apt configuration names.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./places.ts";
import { run, tryRun } from "./shell.ts";

interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly options: string;
}

/** The codename of this Debian ("bookworm"), or undefined on other systems. */
export function debianCodename(): string | undefined {
  if (!existsSync("/etc/os-release")) return undefined;
  const text = readFileSync("/etc/os-release", "utf8");
  if (!/^ID=debian$/m.test(text)) return undefined;
  return /^VERSION_CODENAME=(\S+)$/m.exec(text)?.[1];
}

/**
 * Downloads `names` from the first of `suites` that offers them all, into `directory`, and returns that suite.
 * A suite that the mirror does not carry is skipped. Throws when none has them.
 */
export function downloadFromSuites(
  names: readonly string[],
  suites: readonly string[],
  directory: string,
  cacheDirectory: string,
): string {
  const mirror = mainSource();
  for (const suite of suites) {
    const options = prepareSuite(mirror, suite, cacheDirectory);
    if (options === undefined) continue;
    if (tryRun("apt-get", [...options, "download", ...names], { cwd: directory }) !== undefined) return suite;
  }
  throw new Error(`no suite of ${suites.join(", ")} offers ${names.join(", ")}`);
}

/** Unpacks every .deb file of `directory` into `target`. */
export function unpackAll(directory: string, target: string): void {
  for (const name of readdirSync(directory)) {
    if (name.endsWith(".deb")) run("dpkg", ["-x", join(directory, name), target]);
  }
}

/** Makes apt's index of one suite, once; the options that make apt use it, or undefined if there is no such suite. */
function prepareSuite(mirror: AptSource, suite: string, cacheDirectory: string): string[] | undefined {
  const home = folder(cacheDirectory, "apt", suite);
  folder(home, "state", "lists", "partial");
  folder(home, "cache", "archives", "partial");
  folder(home, "parts");
  const list = join(home, "sources.list");
  writeFileSync(list, `deb ${mirror.options}${mirror.uri} ${suite} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${list}`,
    `Dir::Etc::sourceparts=${join(home, "parts")}`,
    `Dir::State=${join(home, "state")}`,
    `Dir::Cache=${join(home, "cache")}`,
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const ready = join(home, "ready");
  if (existsSync(ready)) return options;
  if (tryRun("apt-get", [...options, "--error-on=any", "update"]) === undefined) return undefined;
  writeFileSync(ready, "");
  return options;
}

/** The source that carries this release itself (not its security or updates archive). */
function mainSource(): AptSource {
  const codename = debianCodename();
  const found = readSources().find((source) => codename !== undefined && source.suites.includes(codename));
  if (found === undefined) throw new Error("this system's apt configuration names no Debian mirror");
  return found;
}

function readSources(): AptSource[] {
  const parts = "/etc/apt/sources.list.d";
  const names = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return ["/etc/apt/sources.list", ...names].filter((path) => existsSync(path)).flatMap(readSourceFile);
}

function readSourceFile(path: string): AptSource[] {
  const text = readFileSync(path, "utf8").replace(/^#.*\n/gm, "");
  if (path.endsWith(".sources")) return text.split(/\n\s*\n/).flatMap(parseStanza);
  return path.endsWith(".list") ? text.split("\n").flatMap(parseLine) : [];
}

/** One stanza of the deb822 form (sources.list(5)). */
function parseStanza(stanza: string): AptSource[] {
  const field = (name: string): string[] =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
  const signedBy = field("Signed-By")[0];
  // An inline key continues on the next lines; only a path can be written into a one-line source.
  const options = signedBy?.startsWith("/") === true ? `[signed-by=${signedBy}] ` : "";
  return field("Types").includes("deb")
    ? field("URIs").map((uri) => ({ uri, suites: field("Suites"), options }))
    : [];
}

/** One line of the traditional form: `deb [options] uri suite components`. */
function parseLine(line: string): AptSource[] {
  const match = /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line.trim());
  if (match?.[2] === undefined || match[3] === undefined) return [];
  return [{ uri: match[2], suites: [match[3]], options: match[1] ?? "" }];
}
