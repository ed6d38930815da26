import assert from "node:assert/strict";

/** The part of the WebAssembly interface used here; the types of Node leave it to those of browsers. */
interface WebAssemblyInterface {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => { readonly buffer: SharedArrayBuffer };
}

const PAGE_LENGTH = 65536;

/** Page-aligned shared memory of WebAssembly, as the engine's workers use it. */
export function sharedPageAligned(length: number): Uint8Array {
  const pages = Math.ceil(length / PAGE_LENGTH);
  const webAssembly: unknown = Reflect.get(globalThis, "WebAssembly");
  assert(isWebAssembly(webAssembly), "this Node has no WebAssembly");
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return new Uint8Array(memory.buffer, 0, length);
}

function isWebAssembly(value: unknown): value is WebAssemblyInterface {
  return typeof value === "object" && value !== null && "Memory" in value;
}
