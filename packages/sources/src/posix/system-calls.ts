import { hasProcessDirectories } from "./capabilities.ts";
import type { FileCalls } from "./file-calls.ts";
import { nativeBinding } from "./native-binding.ts";
import { createNativeCalls } from "./native-calls.ts";
import { createPortableCalls } from "./portable-calls.ts";

let chosen: FileCalls | undefined;

/** The best implementation on this machine; the same object at each call in a thread. */
export function fileCalls(): FileCalls {
  chosen ??= chooseCalls();
  return chosen;
}

function chooseCalls(): FileCalls {
  const binding = nativeBinding();
  return typeof binding === "string"
    ? createPortableCalls(hasProcessDirectories())
    : createNativeCalls(binding);
}
