import type { FileCalls } from "../posix/file-calls.ts";
import type { Reach } from "../posix/portable-calls.ts";

/** Calls that know the path of everything they have opened, for what a system does by path only. */
export interface TrackedCalls {
  readonly calls: FileCalls;
  /** @throws Error for a descriptor that these calls have not opened. */
  readonly pathOf: (fd: number) => Buffer;
}

export function trackPaths(base: FileCalls, reach: Reach): TrackedCalls {
  const paths = new Map<number, Buffer>();
  const keep = (fd: number, path: Buffer): void => {
    if (fd >= 0) paths.set(fd, path);
  };
  return {
    pathOf: (fd) => {
      const path = paths.get(fd);
      if (path === undefined) throw new Error("a descriptor has no path");
      return path;
    },
    calls: {
      ...base,
      openTop: (path) => {
        const handle = base.openTop(path);
        if (typeof handle !== "number") keep(handle.fd, path);
        return handle;
      },
      openDirectory: (parent, name) => {
        const handle = base.openDirectory(parent, name);
        if (typeof handle !== "number") keep(handle.fd, reach(parent, name));
        return handle;
      },
      closeDirectory: (directory) => {
        paths.delete(directory.fd);
        base.closeDirectory(directory);
      },
      openFile: (parent, name, flags, mode) => {
        const fd = base.openFile(parent, name, flags, mode);
        keep(fd, reach(parent, name));
        return fd;
      },
      closeFile: (fd) => {
        paths.delete(fd);
        return base.closeFile(fd);
      },
    },
  };
}
