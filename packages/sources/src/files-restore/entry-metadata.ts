import type { Entry } from "@holdfast/repository";
import type { RestoreMetadata } from "../restore-tree/target-context.ts";
import { takenAttributes } from "./left-out.ts";

const NANOSECONDS = 1_000_000_000n;

export function metadataOf(entry: Entry): RestoreMetadata {
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user === "" ? undefined : entry.user,
    group: entry.group === "" ? undefined : entry.group,
    mtimeNs: entry.mtimeSeconds * NANOSECONDS + BigInt(entry.mtimeNanoseconds),
    xattrs: takenAttributes(entry),
  };
}
