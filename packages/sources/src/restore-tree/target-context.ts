import type { FileCalls, Xattr } from "../posix/file-calls.ts";
import type { FolderCache } from "./folder-cache.ts";

/** What to do with an entry whose name is taken. Folders that meet a folder are merged by every policy. */
export type ExistingPolicy = "skip" | "overwrite" | "keep-both";

/** `numbers`: as recorded. `names`: by name where this machine knows it. `leave`: whoever restores owns everything. */
export type OwnerPolicy = "numbers" | "names" | "leave";

/** What is set on a restored entry. */
export interface RestoreMetadata {
  /** The twelve permission bits; more are ignored. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string | undefined;
  readonly group?: string | undefined;
  readonly mtimeNs: bigint;
  readonly xattrs?: readonly Xattr[];
}

/** What all parts of the writer share; one per thread. */
export interface TargetContext {
  readonly calls: FileCalls;
  readonly folders: FolderCache;
  readonly existing: ExistingPolicy;
  readonly owners: OwnerPolicy;
  /** A name that nothing else has, for what is not finished yet. */
  readonly temporaryName: () => Buffer;
}
