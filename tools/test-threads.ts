/**
 * Lets the threads of the engine that tests start run from the bundle, as those of users do: the runner loads this module into the
 * process of every test file, and Node.js into each of its threads. There are thousands, and from its sources each loads some eighty
 * files. A test file that is run by itself has them from the sources.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";

const root = join(import.meta.dirname, "..");
const BUILDS = join(root, "apps/command/build");
/** As `build-program.ts` names the files of threads. */
const THREAD = /\/(?:packages|apps)\/([^/]+)\/src\/(.+)\.ts$/u;
const PARAMETER = "build";

/** Bundles the sources as they are now; for the processes of the test files. */
export function useBundledThreads(): readonly string[] {
  execFileSync(process.execPath, [join(import.meta.dirname, "build-program.ts")], { stdio: "inherit" });
  const own = new URL(import.meta.url);
  own.searchParams.set(PARAMETER, readFileSync(join(BUILDS, "current"), "utf8").trim());
  return ["--import", own.href];
}

/** The first module that this thread asks for is its own. */
function redirect(build: string): void {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (context.parentURL !== undefined) return next(specifier, context);
      hooks.deregister();
      const [, owner = "", path = ""] = THREAD.exec(specifier) ?? [];
      const bundled = join(BUILDS, build, `${owner}.${path.replaceAll("/", ".")}.js`);
      if (!existsSync(bundled)) return next(specifier, context);
      return { url: pathToFileURL(bundled).href, format: "module", shortCircuit: true };
    },
  });
}

const build = new URL(import.meta.url).searchParams.get(PARAMETER);
if (!isMainThread && build !== null) redirect(build);
