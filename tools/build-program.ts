/**
 * Bundles the command and the threads of the engine: a start loads some twenty files instead of some 850.
 *
 * A build is a folder of its own, `apps/command/build/ID`, named after its content, complete from the moment it appears and never
 * changed: a process goes on with the one that it began with, whatever is built meanwhile. `apps/command/build/current`
 * names the newest, and `./holdfast` runs it while nothing that it was made from is newer than that file; else it calls this
 * program, and where that fails it runs the sources. Several builds at once, or one that is killed, do no harm.
 *
 * The modules of the project are bundled, in chunks along their dynamic imports; packages of others stay where they are. What a module
 * finds by `import.meta.url` is what its source would find: a file beside it, a manifest, a package.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { build, type OutputFile, type Plugin } from "esbuild";

const root = dirname(import.meta.dirname);
const BUILDS = join(root, "apps/command/build");
const CURRENT = join(BUILDS, "current");
const MAIN = join(root, "apps/command/src/main.ts");
/** From a build back to the root. */
const UP = "../../../..";
/** A build that was replaced so long ago is removed: no command runs for longer that still has something to load. */
const REPLACED_MAX_MS = 7 * 24 * 60 * 60_000;

/** How every thread is started, and how anything else of the module's own place is used. */
const THREAD = /new Worker\(new URL\("([^"]+)", import\.meta\.url\)/gu;
const OWN_PLACE = new RegExp(`${THREAD.source}|import\\.meta\\.(\\w+)`, "gu");

/** `packages/sources/src/files-backup/worker.ts` becomes `sources.files-backup.worker`: all of a build is in one folder. */
function entryName(path: string): string {
  const [, owner = "", , ...rest] = relative(root, path).split(sep);
  return path === MAIN ? "main" : [owner, ...rest].join(".").replace(/\.ts$/, "");
}

function findThreads(): readonly string[] {
  const sources = globSync("{apps,packages}/*/src/**/*.ts", { cwd: root }).map((path) => join(root, path));
  return sources
    .toSorted()
    .flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(THREAD)].map(([, target = ""]) =>
        resolve(dirname(path), target),
      ),
    );
}

/** The text of a module, for the folder of a build. */
function placed(path: string): string {
  const place = relative(root, path).split(sep).join("/");
  return readFileSync(path, "utf8").replaceAll(OWN_PLACE, (_, thread?: string, property?: string) => {
    if (thread !== undefined)
      return `new Worker(new URL("./${entryName(resolve(dirname(path), thread))}.js", import.meta.url)`;
    if (property === "url") return `new URL("${UP}/${place}", import.meta.url).href`;
    throw new Error(`${place}: in a bundle, import.meta.${String(property)} is not that of the source.`);
  });
}

const placeSources: Plugin = {
  name: "place-sources",
  setup(plugins) {
    plugins.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || path.startsWith("@holdfast/") ? undefined : { path, external: true },
    );
    plugins.onLoad({ filter: /\.ts$/ }, ({ path }) => ({ contents: placed(path), loader: "ts" }));
  },
};

async function bundle(): Promise<readonly OutputFile[]> {
  const entries = [MAIN, ...findThreads()];
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries.map((path) => ({ in: path, out: entryName(path) })),
    // As deep as the folder that it becomes, for the places in source maps.
    outdir: join(BUILDS, "id"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "esnext",
    chunkNames: "[name]-[hash]",
    sourcemap: "linked",
    sourcesContent: false,
    plugins: [placeSources],
    write: false,
    logLevel: "silent",
  });
  return outputFiles;
}

function contentId(files: readonly OutputFile[]): string {
  const hash = createHash("sha256");
  for (const { path, contents } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1)))
    hash.update(`${basename(path)}\0${contents.length}\0`).update(contents);
  return hash.digest("hex").slice(0, 16);
}

/** Complete from the moment it appears. One of the same content is as good: it is used again, and not to be removed soon. */
function store(files: readonly OutputFile[]): string {
  const id = contentId(files);
  const folder = join(BUILDS, id);
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    mkdirSync(temporary);
    for (const { path, contents } of files) writeFileSync(join(temporary, basename(path)), contents);
    renameSync(temporary, folder);
  } catch (error) {
    if (!isThere(join(folder, "main.js"))) throw error;
    touch(folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return id;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function touch(path: string): void {
  const now = new Date();
  utimesSync(path, now, now);
}

/** Starts the time of a build that is replaced, and removes those whose time is over; what cannot be touched or removed stays. */
function retireOthers(id: string, replaced: string | undefined): void {
  for (const name of readdirSync(BUILDS)) {
    const path = join(BUILDS, name);
    if (path === CURRENT || name === id) continue;
    try {
      if (name === replaced) touch(path);
      if (Date.now() - statSync(path).mtimeMs <= REPLACED_MAX_MS) continue;
      // By a rename first, so that it is never half there.
      const removed = join(BUILDS, `${name}.removed`);
      renameSync(path, removed);
      rmSync(removed, { recursive: true });
    } catch {
      // Of another user, or another build removes it.
    }
  }
}

function currentId(): string | undefined {
  return isThere(CURRENT) ? readFileSync(CURRENT, "utf8").trim() : undefined;
}

async function main(): Promise<void> {
  mkdirSync(BUILDS, { recursive: true });
  const temporary = `${CURRENT}.${process.pid}.tmp`;
  try {
    // By the clock of the file system, as the sources' times are.
    writeFileSync(temporary, "");
    const startedMs = statSync(temporary).mtimeMs;
    const replaced = currentId();
    const id = store(await bundle());
    writeFileSync(temporary, `${id}\n`);
    // What changes from now on, and in the second in which the build began, is newer, also to a shell that compares seconds.
    const time = Math.floor(startedMs / 1000) - 0.001;
    utimesSync(temporary, time, time);
    renameSync(temporary, CURRENT);
    retireOthers(id, replaced);
  } finally {
    rmSync(temporary, { force: true });
  }
}

try {
  await main();
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`holdfast: The program runs from its sources, it could not be bundled: ${reason}\n`);
  process.exitCode = 1;
}
