/**
 * What this machine lets a backup read and a restore write, declared once.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { type NativeAbsence, nativeBinding } from "./native-binding.ts";

export interface PosixCapabilities {
  /** System calls through koffi. */
  readonly nativeCalls: boolean;
  /** Extended attributes and POSIX ACLs can be read and written. */
  readonly xattrs: boolean;
  /** Restored times are exact to the nanosecond, else to the microsecond. */
  readonly nanosecondTimes: boolean;
  /** Holes of sparse files are seen without reading them. */
  readonly holes: boolean;
  /** FIFOs and device nodes can be created. */
  readonly specialFiles: boolean;
  /** Every name is resolved below an open directory, so that a swapped symbolic link cannot lead elsewhere. */
  readonly directoryRelative: boolean;
  /** One sentence for each thing that will be missing, to be shown as a warning. Empty on Linux with koffi. */
  readonly missing: readonly string[];
}

let known: PosixCapabilities | undefined;

/** The capabilities of this machine; the same object at each call. */
export function posixCapabilities(): PosixCapabilities {
  known ??= describeCapabilities(nativeBinding(), hasProcessDirectories());
  return known;
}

/** True where `/proc/self/fd/N/name` reaches an entry of an open directory. */
export function hasProcessDirectories(): boolean {
  return process.platform === "linux" && existsSync("/proc/self/fd");
}

/** @internal exported for tests on any platform. */
export function describeCapabilities(
  binding: NativeAbsence | object,
  processDirectories: boolean,
): PosixCapabilities {
  const native = typeof binding !== "string";
  const missing = native ? [] : missingWithoutNative(binding, processDirectories);
  return {
    nativeCalls: native,
    xattrs: native,
    nanosecondTimes: native,
    holes: native,
    specialFiles: native,
    directoryRelative: native || processDirectories,
    missing,
  };
}

const ABSENCE_TEXT: Readonly<Record<NativeAbsence, string>> = {
  platform: "this operating system is served through the portable calls of Node only",
  processor: "system calls are described for x64 and arm64 only",
  koffi: "the package koffi could not be loaded",
  kernel: "the kernel, or the container's filter, does not answer statx",
};

function missingWithoutNative(absence: NativeAbsence, processDirectories: boolean): readonly string[] {
  const because = ABSENCE_TEXT[absence];
  const missing = [
    `Extended attributes and access control lists are left out: ${because}.`,
    `Times are restored to the microsecond only: ${because}.`,
    `FIFOs and device nodes cannot be restored: ${because}.`,
    `Sparse files are read as a whole, holes included: ${because}.`,
  ];
  if (!processDirectories) {
    missing.push(
      "A restore cannot hold directories open: do not restore where other users can write at the same time.",
    );
  }
  return missing;
}
