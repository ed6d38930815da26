import { createPortableCalls } from "../posix/portable-calls.ts";
import type { FilePlatform } from "./file-platform.ts";
import { POSIX_PATHS } from "./posix-paths.ts";

/** Systems that nobody has tried: Node's own calls, by path. */
export const OTHER: FilePlatform = {
  paths: POSIX_PATHS,
  attributes: { read: () => ({ xattrs: [], failures: [] }), takes: () => false },
  newCalls: () => createPortableCalls(false),
  explain: () => undefined,
  snapshots: undefined,
};
