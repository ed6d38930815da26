import { ERRNO } from "../posix/errno.ts";
import { VSS_SNAPSHOTS } from "../snapshots/vss-snapshots.ts";
import type { FilePlatform } from "./file-platform.ts";
import { WINDOWS_PATHS } from "./windows/paths.ts";
import { readWindowsAttributes, takesOnWindows } from "./windows/windows-attributes.ts";
import { loadWindowsCalls } from "./windows/windows-binding.ts";
import type { WindowsCalls } from "./windows/windows-calls.ts";
import { createWindowsFileCalls, reachOnWindows } from "./windows/windows-file-calls.ts";

let loaded: { readonly calls: WindowsCalls | undefined } | undefined;

function windowsCalls(): WindowsCalls | undefined {
  loaded ??= { calls: loadWindowsCalls() };
  return loaded.calls;
}

export const WIN32: FilePlatform = {
  paths: WINDOWS_PATHS,
  attributes: {
    read: (directory, name) => {
      const calls = windowsCalls();
      return calls === undefined
        ? { xattrs: [], failures: [] }
        : readWindowsAttributes(calls, reachOnWindows(directory, name).toString("utf8"));
    },
    takes: (name) => windowsCalls() !== undefined && takesOnWindows(name),
  },
  newCalls: () => createWindowsFileCalls(windowsCalls()),
  explain: explainOnWindows,
  snapshots: VSS_SNAPSHOTS,
};

/** @internal exported for tests. */
export function explainOnWindows(errno: number): string | undefined {
  if (errno === -ERRNO.EBUSY)
    return "another program has it open for itself alone; back up from a snapshot of the volume (VSS): --snapshot";
  if (errno === -ERRNO.ENOTSUP)
    return "its content is in the cloud, or it is a link that only another program understands";
  if (errno === -ERRNO.EACCES || errno === -ERRNO.EPERM)
    return "access is denied; run the program as an administrator or as the local system";
  return undefined;
}
