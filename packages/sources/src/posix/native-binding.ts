/**
 * The C library's calls that Node lacks, through koffi: one binding, loaded at the first use.
 *
 * Pointers are declared `void*` and take typed arrays; names are NUL-terminated bytes; `ssize_t` and `off_t` are
 * `int64_t` on the two processors served (x64, arm64). Calls that older C libraries do not export as functions
 * (statx, getdents64, renameat2, mknodat before glibc 2.33) go through `syscall` with the kernel's own numbers.
 *
 * @module
 */
import { constants } from "node:os";
import process from "node:process";
import type Koffi from "koffi";
import { loadKoffi, type NativeFunction } from "../platform/load-koffi.ts";

export type { NativeFunction } from "../platform/load-koffi.ts";

/** Every function returns what C returns; after a negative result, {@link NativeBinding.errno} MUST be read at once. */
export interface NativeBinding {
  readonly errno: () => number;
  readonly addressOf: (bytes: Uint8Array) => bigint;
  readonly openat: NativeFunction;
  readonly close: NativeFunction;
  readonly pwrite: NativeFunction;
  readonly lseek: NativeFunction;
  readonly fallocate: NativeFunction;
  readonly fadvise: NativeFunction;
  readonly syncfs: NativeFunction;
  readonly ftruncate: NativeFunction;
  readonly fchown: NativeFunction;
  readonly fchmod: NativeFunction;
  readonly chmod: NativeFunction;
  readonly fchownat: NativeFunction;
  readonly utimensat: NativeFunction;
  readonly futimens: NativeFunction;
  readonly mkdirat: NativeFunction;
  readonly linkat: NativeFunction;
  readonly symlinkat: NativeFunction;
  readonly readlinkat: NativeFunction;
  readonly renameat: NativeFunction;
  readonly unlinkat: NativeFunction;
  readonly lgetxattr: NativeFunction;
  readonly llistxattr: NativeFunction;
  readonly fgetxattr: NativeFunction;
  readonly flistxattr: NativeFunction;
  readonly fsetxattr: NativeFunction;
  readonly fremovexattr: NativeFunction;
  readonly setxattr: NativeFunction;
  readonly getpwuid: NativeFunction;
  readonly getgrgid: NativeFunction;
  readonly getpwnam: NativeFunction;
  readonly getgrnam: NativeFunction;
  /** (directory fd, name, flags, mask, result of 256 bytes) */
  readonly statx: NativeFunction;
  /** (fd, buffer, length) */
  readonly getdents64: NativeFunction;
  /** (from fd, from name, to fd, to name, flags) */
  readonly renameat2: NativeFunction;
  /** (directory fd, name, mode, device number) */
  readonly mknodat: NativeFunction;
}

/** Kernel numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
const SYSCALL_NUMBERS = {
  x64: { getdents64: 217, mknodat: 259, renameat2: 316, statx: 332 },
  arm64: { getdents64: 61, mknodat: 33, renameat2: 276, statx: 291 },
} as const;

/** Why there is no binding; part of what {@link posixCapabilities} says. */
export type NativeAbsence = "platform" | "processor" | "koffi" | "kernel";

let loaded: NativeBinding | NativeAbsence | undefined;

/** The binding, or why there is none on this machine. */
export function nativeBinding(): NativeBinding | NativeAbsence {
  loaded ??= loadBinding();
  return loaded;
}

function loadBinding(): NativeBinding | NativeAbsence {
  if (process.platform !== "linux") return "platform";
  const { arch } = process;
  if (arch !== "x64" && arch !== "arm64") return "processor";
  const koffi = loadKoffi();
  if (koffi === undefined) return "koffi";
  let binding: NativeBinding;
  try {
    binding = declareFunctions(koffi, SYSCALL_NUMBERS[arch]);
  } catch {
    return "koffi";
  }
  return answersStatx(binding) ? binding : "kernel";
}

/** statx can be missing (before Linux 4.11) or be forbidden by the filter of an old container runtime. */
function answersStatx(binding: NativeBinding): boolean {
  const root = Buffer.from("/\0");
  const result = binding.statx(-1, root, 0, 0x7ff, Buffer.alloc(256));
  return result === 0 || binding.errno() === constants.errno.EACCES;
}

type SyscallNumbers = (typeof SYSCALL_NUMBERS)["x64" | "arm64"];

function declareFunctions(koffi: typeof Koffi, numbers: SyscallNumbers): NativeBinding {
  // The node executable is linked against the C library (glibc or musl), so its own symbols are all that is needed.
  const library = koffi.load(null);
  const declare = (name: string, result: string, parameters: string): NativeFunction =>
    library.func(name, result, parameters.split(", "));
  const long = "int64_t";
  const name = "const void*";
  const syscall2 = declare("syscall", long, `${long}, ${long}, void*, size_t`);
  const syscall4 = declare("syscall", long, `${long}, ${long}, ${name}, ${long}, ${long}`);
  const syscall5 = declare("syscall", long, `${long}, ${long}, ${name}, ${long}, ${long}, void*`);
  const syscallRename = declare("syscall", long, `${long}, ${long}, ${name}, ${long}, ${name}, ${long}`);
  const lookup = `${name}, void*, void*, size_t, void*`;
  const lookupId = `uint32_t, void*, void*, size_t, void*`;
  return {
    errno: () => koffi.errno(),
    addressOf: (bytes) => koffi.address(bytes),
    openat: declare("openat", "int", `int, ${name}, int, uint32_t`),
    close: declare("close", "int", "int"),
    pwrite: declare("pwrite", long, `int, ${name}, size_t, ${long}`),
    lseek: declare("lseek", long, `int, ${long}, int`),
    fallocate: declare("fallocate", "int", `int, int, ${long}, ${long}`),
    fadvise: declare("posix_fadvise", "int", `int, ${long}, ${long}, int`),
    syncfs: declare("syncfs", "int", "int"),
    ftruncate: declare("ftruncate", "int", `int, ${long}`),
    fchown: declare("fchown", "int", "int, uint32_t, uint32_t"),
    fchmod: declare("fchmod", "int", "int, uint32_t"),
    chmod: declare("chmod", "int", `${name}, uint32_t`),
    fchownat: declare("fchownat", "int", `int, ${name}, uint32_t, uint32_t, int`),
    utimensat: declare("utimensat", "int", `int, ${name}, ${name}, int`),
    futimens: declare("futimens", "int", `int, ${name}`),
    mkdirat: declare("mkdirat", "int", `int, ${name}, uint32_t`),
    linkat: declare("linkat", "int", `int, ${name}, int, ${name}, int`),
    symlinkat: declare("symlinkat", "int", `${name}, int, ${name}`),
    readlinkat: declare("readlinkat", long, `int, ${name}, void*, size_t`),
    renameat: declare("renameat", "int", `int, ${name}, int, ${name}`),
    unlinkat: declare("unlinkat", "int", `int, ${name}, int`),
    lgetxattr: declare("lgetxattr", long, `${name}, ${name}, void*, size_t`),
    llistxattr: declare("llistxattr", long, `${name}, void*, size_t`),
    fgetxattr: declare("fgetxattr", long, `int, ${name}, void*, size_t`),
    flistxattr: declare("flistxattr", long, `int, void*, size_t`),
    fsetxattr: declare("fsetxattr", "int", `int, ${name}, ${name}, size_t, int`),
    setxattr: declare("setxattr", "int", `${name}, ${name}, ${name}, size_t, int`),
    fremovexattr: declare("fremovexattr", "int", `int, ${name}`),
    getpwuid: declare("getpwuid_r", "int", lookupId),
    getgrgid: declare("getgrgid_r", "int", lookupId),
    getpwnam: declare("getpwnam_r", "int", lookup),
    getgrnam: declare("getgrnam_r", "int", lookup),
    statx: (fd, path, flags, mask, result) =>
      syscall5(numbers.statx, fd ?? 0, path ?? null, flags ?? 0, mask ?? 0, result ?? null),
    getdents64: (fd, buffer, length) => syscall2(numbers.getdents64, fd ?? 0, buffer ?? null, length ?? 0),
    renameat2: (fromFd, from, toFd, to, flags) =>
      syscallRename(numbers.renameat2, fromFd ?? 0, from ?? null, toFd ?? 0, to ?? null, flags ?? 0),
    mknodat: (fd, path, mode, device) =>
      syscall4(numbers.mknodat, fd ?? 0, path ?? null, mode ?? 0, device ?? 0),
  };
}
