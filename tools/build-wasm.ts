/**
 * Compiles the AssemblyScript hot loops of the project to WebAssembly.
 *
 * A target is built when it is missing or older than one of its sources; `--force` builds it anyway. The result
 * appears by a rename, so that several builds at once, or one that is killed, never leave half a file.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

interface Target {
  /** Folder of the sources. */
  readonly folder: string;
  readonly entry: string;
  readonly output: string;
}

const root = dirname(import.meta.dirname);

const TARGETS: readonly Target[] = [
  {
    folder: join(root, "packages/repository/assembly"),
    entry: "scanner.as.ts",
    output: join(root, "packages/repository/build/scanner.wasm"),
  },
];

/**
 * No imports but the memory, no data segment, no allocator. Constant operands of the vector instructions need
 * the simd feature, which every supported Node has.
 */
const OPTIONS: readonly string[] = ["-O3", "--noAssert", "--runtime", "stub", "--importMemory"].concat([
  "--enable",
  "simd",
]);

function isFresh(target: Target): boolean {
  const built = statSync(target.output, { throwIfNoEntry: false });
  if (built === undefined) return false;
  const sources = readdirSync(target.folder).map((name) => join(target.folder, name));
  return [...sources, fileURLToPath(import.meta.url)].every(
    (path) => statSync(path).mtimeMs <= built.mtimeMs,
  );
}

function build(target: Target): void {
  const compiler = fileURLToPath(import.meta.resolve("assemblyscript/bin/asc.js"));
  const temporary = `${target.output}.${String(process.pid)}.tmp`;
  mkdirSync(dirname(target.output), { recursive: true });
  try {
    execFileSync(process.execPath, [compiler, target.entry, "--outFile", temporary, ...OPTIONS], {
      cwd: target.folder,
      stdio: "inherit",
    });
    renameSync(temporary, target.output);
  } finally {
    rmSync(temporary, { force: true });
  }
}

const { values } = parseArgs({ options: { force: { type: "boolean", default: false } } });
for (const target of TARGETS) {
  if (values.force || !isFresh(target)) build(target);
}
