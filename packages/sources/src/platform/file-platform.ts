/**
 * What differs between systems for a source or a target of files: one module a system, chosen once by
 * `current-platform.ts`. Nothing else asks for the system's name.
 *
 * @module
 */
import type { DirectoryHandle, FileCalls } from "../posix/file-calls.ts";
import type { XattrReading } from "../posix/xattrs.ts";
import type { SnapshotSystem } from "../snapshots/snapshot-system.ts";

/** How paths of the system stand in a copy: components of raw bytes, joined by `/`, one character a byte. */
export interface PathRules {
  /** @param path absolute, as the system and its users write it. */
  readonly toTree: (path: Buffer) => string;
  /** For the system's calls, of any length. The empty path is the top of everything. */
  readonly toSystem: (path: string) => Buffer;
  /** A path of the system and what lies below it in a copy. */
  readonly below: (place: Buffer, path: string) => Buffer;
  /** The absolute path that somebody in `folder` means by `path`, without `.`, `..` and a slash at the end. */
  readonly resolve: (folder: Buffer, path: Buffer) => Buffer;
  /** A path that a person has given, for the system's calls. */
  readonly forCalls: (path: Buffer) => Buffer;
  /** As people read it. */
  readonly shown: (path: string) => string;
  /** Why a name of a copy cannot be one entry of a folder here; undefined when it can. Must not let a name lead elsewhere. */
  readonly nameProblem: (name: Uint8Array) => string | undefined;
}

/** Metadata beyond owner, mode and times. */
export interface AttributeRules {
  /** Of an entry of an open directory; `fd` where it is open already. Sorted by name. */
  readonly read: (directory: DirectoryHandle, name: Uint8Array, fd: number | undefined) => XattrReading;
  /** Whether {@link FileCalls.setXattr} can set an attribute with this name. */
  readonly takes: (name: Buffer) => boolean;
}

export interface FilePlatform {
  readonly paths: PathRules;
  readonly attributes: AttributeRules;
  readonly newCalls: () => FileCalls;
  /** More than the system's own words about a call that failed, with what to do. */
  readonly explain: (errno: number) => string | undefined;
  /** How volumes are frozen for the time of a backup; undefined where that is not supported. */
  readonly snapshots: SnapshotSystem | undefined;
}
