/** Where the benchmarks keep things: one cache folder, by default inside the repository and ignored by git. */
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const defaultCacheDirectory = join(repositoryRoot, ".cache", "bench");

/** `join`, and the folder exists afterwards. */
export function folder(...parts: readonly string[]): string {
  const path = join(...parts);
  mkdirSync(path, { recursive: true });
  return path;
}
