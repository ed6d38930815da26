/**
 * The file system's calls, watched or made to fail: the functions of `node:fs/promises` are replaced for this process.
 */
import { readlinkSync } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const original = { link: fs.link, open: fs.open, unlink: fs.unlink, mkdir: fs.mkdir };

export type Link = typeof fs.link;

function install(): void {
  syncBuiltinESMExports();
}

/** Puts `replacement` in the place of `link`; `real` is the true one. */
export function replaceLink(
  replacement: (real: Link, from: string, to: string) => Promise<void>,
): Disposable {
  const before = fs.link;
  fs.link = (from, to) => replacement(original.link, String(from), String(to));
  install();
  return {
    [Symbol.dispose]: () => {
      fs.link = before;
      install();
    },
  };
}

function restore(): void {
  Object.assign(fs, original);
  install();
}

export interface Call {
  readonly what: "open" | "direct-open" | "write" | "sync" | "link" | "unlink" | "mkdir";
  readonly path: string;
}

export interface CallRecorder extends Disposable {
  readonly calls: readonly Call[];
}

export interface CallFailures {
  /** Error number for writes through descriptors without page cache. */
  readonly directWrite?: string;
}

/** Records the calls that change files, in the order in which they ended. Linux only. */
export function recordCalls(failures: CallFailures = {}): CallRecorder {
  const calls: Call[] = [];
  fs.link = async (from, to) => {
    await original.link(from, to);
    calls.push({ what: "link", path: String(to) });
  };
  fs.unlink = async (path) => {
    await original.unlink(path);
    calls.push({ what: "unlink", path: String(path) });
  };
  const mkdir = async (path: string, options: { mode: number }): Promise<void> => {
    await original.mkdir(path, options);
    calls.push({ what: "mkdir", path });
  };
  Object.assign(fs, { mkdir });
  fs.open = async (path, flags, mode) => {
    const handle = await original.open(path, flags, mode);
    const direct = typeof flags === "number" && (flags & fs.constants.O_DIRECT) !== 0;
    calls.push({ what: direct ? "direct-open" : "open", path: String(path) });
    watch(handle, calls, direct ? failures.directWrite : undefined);
    return handle;
  };
  install();
  return { calls, [Symbol.dispose]: restore };
}

function watch(handle: FileHandle, calls: Call[], failure: string | undefined): void {
  const path = readlinkSync(`/proc/self/fd/${String(handle.fd)}`);
  const sync = handle.sync.bind(handle);
  const write = handle.write.bind(handle);
  handle.sync = async () => {
    await sync();
    calls.push({ what: "sync", path });
  };
  Object.assign(handle, {
    write: async (bytes: Uint8Array, offset: number, length: number, position: number) => {
      if (failure !== undefined) throw Object.assign(new Error(failure), { code: failure });
      const result = await write(bytes, offset, length, position);
      calls.push({ what: "write", path });
      return result;
    },
  });
}
