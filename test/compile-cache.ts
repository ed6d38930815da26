import { join } from "node:path";

/**
 * The threads that verify and restore start find their code compiled, as those of the command do: they then start in a quarter of
 * the time, and tests start thousands.
 */
export function shareCompiledCode(): void {
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "..", ".cache", "compile");
}
