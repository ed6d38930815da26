import { currentPlatform } from "../platform/current-platform.ts";
import type { FileCalls } from "./file-calls.ts";

let chosen: FileCalls | undefined;

/** The best implementation on this machine; the same object at each call in a thread. */
export function fileCalls(): FileCalls {
  chosen ??= currentPlatform().newCalls();
  return chosen;
}
