/**
 * Garbage collections in time.
 *
 * Compression, encryption and their reverse return every result in a new buffer. The engine sees small objects only and lets the memory
 * behind them grow by a hundred megabytes a thread before it looks. Collecting young objects after every few megabytes
 * costs less than touching that memory does (measured: a third of the CPU time of encryption was saved).
 *
 * @module
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor" | "major" }) => void;

/** The function to call with the bytes that were allocated; it collects after every `intervalBytes`. */
export function createMinorCollection(intervalBytes: number): (allocatedBytes: number) => void {
  const collect = engineCollector();
  let allocated = 0;
  return (bytes) => {
    allocated += bytes;
    if (allocated < intervalBytes) return;
    allocated = 0;
    collect?.({ type: "minor" });
  };
}

/**
 * Collects everything that nobody holds. OpenSSL overwrites the keys of what is collected, such as a `KeyObject`, which has no
 * other end.
 */
export function collectAll(): void {
  engineCollector()?.({ type: "major" });
}

/**
 * Threads that are started from now on keep young objects in three times so many megabytes. A flag of the program
 * (`--max-semi-space-size`) goes before the `resourceLimits` of a thread, so that these say nothing about it.
 */
export function limitYoungObjects(semiSpaceMb: number): void {
  setFlagsFromString(`--max-semi-space-size=${String(semiSpaceMb)}`);
}

/**
 * Threads that are started from now on look through all of their memory for the first time when old objects take this many megabytes.
 * On its own the engine begins at a few and leaves hardly more room each time: a thread that walks a large tree was looking
 * most of the time, for a tenth of the CPU time of an unchanged backup.
 */
export function deferMajorCollections(oldSpaceMb: number): void {
  setFlagsFromString(`--initial-old-space-size=${String(oldSpaceMb)}`);
}

/** The engine gives its collector away only to a context that was made with this flag. */
function engineCollector(): Collect | undefined {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented by V8, typed nowhere
  return typeof found === "function" ? (found as Collect) : undefined;
}
