import { hasProcessDirectories } from "../posix/capabilities.ts";
import { nativeBinding } from "../posix/native-binding.ts";
import { createNativeCalls } from "../posix/native-calls.ts";
import { createPortableCalls } from "../posix/portable-calls.ts";
import { readEntryXattrs, readOpenXattrs } from "../posix/xattrs.ts";
import { OWN_PREFIX } from "./attribute-names.ts";
import type { FilePlatform } from "./file-platform.ts";
import { POSIX_PATHS } from "./posix-paths.ts";

/** System calls through koffi; without it Node's own, below the open folders of the process. */
export const LINUX: FilePlatform = {
  paths: POSIX_PATHS,
  attributes: {
    read: (directory, name, fd) => (fd === undefined ? readEntryXattrs(directory, name) : readOpenXattrs(fd)),
    takes: (name) => typeof nativeBinding() !== "string" && !name.toString("latin1").startsWith(OWN_PREFIX),
  },
  newCalls: () => {
    const binding = nativeBinding();
    return typeof binding === "string"
      ? createPortableCalls(hasProcessDirectories())
      : createNativeCalls(binding);
  },
  explain: () => undefined,
  snapshots: undefined,
};
