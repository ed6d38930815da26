/**
 * The disks that a device announces.
 *
 * @module
 */
import { z } from "zod";
import { count, line } from "../values.ts";

export const DISKS_MAX = 32;
export const VOLUMES_MAX = 8;

export const volume = z.object({
  /** As the system calls it, such as `sda1`. */
  name: line(200),
  bytes: count,
  /** Folders, or drives, where it is to be found; empty when it is not mounted. */
  mountedAt: z.array(line(255)).max(2),
});
export type Volume = z.infer<typeof volume>;

export const disk = z.object({
  /** As the system calls it, such as `sda`. */
  name: line(200),
  bytes: count,
  model: line(200).optional(),
  removable: z.boolean(),
  readOnly: z.boolean(),
  /** Partitions, and the disk itself when it has a file system; the first ones. */
  volumes: z.array(volume).max(VOLUMES_MAX),
});
export type Disk = z.infer<typeof disk>;
