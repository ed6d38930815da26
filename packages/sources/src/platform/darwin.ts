import { ERRNO } from "../posix/errno.ts";
import { reachBySlash } from "../posix/portable-calls.ts";
import { APFS_SNAPSHOTS } from "../snapshots/apfs-snapshots.ts";
import type { FilePlatform } from "./file-platform.ts";
import { readMacosAttributes, takesOnMacos } from "./macos/macos-attributes.ts";
import { loadMacosCalls } from "./macos/macos-binding.ts";
import type { MacosCalls } from "./macos/macos-calls.ts";
import { createMacosFileCalls } from "./macos/macos-file-calls.ts";
import { POSIX_PATHS } from "./posix-paths.ts";

let loaded: { readonly calls: MacosCalls | undefined } | undefined;

function macosCalls(): MacosCalls | undefined {
  loaded ??= { calls: loadMacosCalls() };
  return loaded.calls;
}

export const DARWIN: FilePlatform = {
  paths: POSIX_PATHS,
  attributes: {
    read: (directory, name) => {
      const calls = macosCalls();
      return calls === undefined
        ? { xattrs: [], failures: [] }
        : readMacosAttributes(calls, reachBySlash(directory, name));
    },
    takes: (name) => macosCalls() !== undefined && takesOnMacos(name),
  },
  newCalls: () => createMacosFileCalls(macosCalls()),
  explain: explainOnMacos,
  snapshots: APFS_SNAPSHOTS,
};

/** @internal exported for tests. */
export function explainOnMacos(errno: number): string | undefined {
  if (errno === -ERRNO.ENOTSUP) return "its content is in the cloud; download it to have it backed up";
  // What privacy protection of macOS answers, to root as well.
  if (errno === -ERRNO.EPERM)
    return "operation not permitted; give the program Full Disk Access in System Settings, Privacy & Security";
  return undefined;
}
