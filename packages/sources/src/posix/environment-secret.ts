/**
 * Takes a secret out of the process's environment so that nothing of it stays behind.
 *
 * `delete process.env.NAME` only forgets where a variable is: its text stays in the block that the kernel made for the
 * process, for everybody who may read `/proc/PID/environ` and for every core image. Here the bytes are copied out and
 * overwritten in place, without ever becoming a string.
 *
 * @module
 */
import { createRequire } from "node:module";
import { secretBuffer } from "@holdfast/crypto";
import type Koffi from "koffi";
import type { NativeFunction } from "./native-binding.ts";

/**
 * The value of an environment variable as bytes, which are the caller's to wipe; the variable is gone afterwards, also
 * for threads and programs that are started later. Undefined when there is none.
 *
 * Where the C library cannot be called, the variable is only removed.
 */
export function takeEnvironmentSecret(name: string): Buffer | undefined {
  // Asking whether it is there makes no string of its value.
  if (!(name in process.env)) return undefined;
  const value = takeNative(name) ?? Buffer.from(process.env[name] ?? "", "utf8");
  // oxlint-disable-next-line typescript/no-dynamic-delete -- this is how Node.js calls `unsetenv`.
  delete process.env[name];
  return value;
}

function takeNative(name: string): Buffer | undefined {
  const calls = memoryCalls();
  if (calls === undefined) return undefined;
  const address = calls.getenv(Buffer.from(`${name}\0`));
  if (address === 0) return undefined;
  const length = calls.strlen(address);
  const value = secretBuffer(length);
  calls.memcpy(value, address, length);
  calls.memset(address, 0, length);
  return value;
}

interface MemoryCalls {
  readonly getenv: (name: Uint8Array) => number;
  readonly strlen: (address: number) => number;
  readonly memcpy: (to: Uint8Array, from: number, length: number) => void;
  readonly memset: (address: number, value: number, length: number) => void;
}

function memoryCalls(): MemoryCalls | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    // Required, not imported: the package is native and may be absent, which must not end the program.
    const koffi: unknown = createRequire(import.meta.url)("koffi");
    return isKoffi(koffi) ? declareCalls(koffi) : undefined;
  } catch {
    return undefined;
  }
}

function isKoffi(module: unknown): module is typeof Koffi {
  return typeof module === "object" && module !== null && "load" in module;
}

/** Addresses are numbers: in user space they have 47 bits. */
function declareCalls(koffi: typeof Koffi): MemoryCalls {
  const library = koffi.load(null);
  const declare = (name: string, result: string, parameters: readonly string[]): NativeFunction =>
    library.func(name, result, [...parameters]);
  const getenv = declare("getenv", "uintptr_t", ["const void*"]);
  const strlen = declare("strlen", "size_t", ["uintptr_t"]);
  const memcpy = declare("memcpy", "void*", ["void*", "uintptr_t", "size_t"]);
  const memset = declare("memset", "void*", ["uintptr_t", "int", "size_t"]);
  return {
    getenv: (name) => getenv(name),
    strlen: (address) => strlen(address),
    memcpy: (to, from, length) => void memcpy(to, from, length),
    memset: (address, value, length) => void memset(address, value, length),
  };
}
