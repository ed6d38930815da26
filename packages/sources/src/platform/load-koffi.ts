import { createRequire } from "node:module";
import type Koffi from "koffi";

type Argument = number | bigint | NodeJS.TypedArray | null;
export type NativeFunction = (...values: readonly Argument[]) => number;

/** The package koffi, or undefined: it is native and may be absent, which must not end the program. */
export function loadKoffi(): typeof Koffi | undefined {
  try {
    const koffi: unknown = createRequire(import.meta.url)("koffi");
    return isKoffi(koffi) ? koffi : undefined;
  } catch {
    return undefined;
  }
}

function isKoffi(module: unknown): module is typeof Koffi {
  return typeof module === "object" && module !== null && "load" in module && "errno" in module;
}
