/**
 * The disks of a Linux machine, as the kernel shows them: `/sys/block` (Documentation/ABI/stable/sysfs-block) and
 * `/proc/self/mountinfo` (proc(5)).
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DISKS_MAX, type Disk, disk, type Volume, VOLUMES_MAX } from "@holdfast/protocol";

/** In sysfs always, whatever the disk's own sectors are. */
const SECTOR_BYTES = 512;
/** Memory, and files that are shown as disks. */
const NOT_DISKS = /^(?:loop|ram|zram|nbd)\d+$/u;
const MOUNTED_AT_MAX = 2;

/** @param root where `proc` and `sys` are; for tests. */
export function linuxDisks(root = "/"): readonly Disk[] {
  const folder = join(root, "sys/block");
  const mounts = mountsByNumber(join(root, "proc/self/mountinfo"));
  const disks: Disk[] = [];
  for (const name of namesIn(folder)) {
    const found = NOT_DISKS.test(name) ? undefined : diskOf(join(folder, name), name, mounts);
    if (found !== undefined && disks.length < DISKS_MAX) disks.push(found);
  }
  return disks;
}

function diskOf(
  folder: string,
  name: string,
  mounts: ReadonlyMap<string, readonly string[]>,
): Disk | undefined {
  const bytes = bytesOf(folder);
  // A drive without a medium.
  if (bytes === 0) return undefined;
  const partitions = namesIn(folder).filter((part) => textOf(join(folder, part, "partition")) !== "");
  const volumes = partitions.map((part) => volumeOf(join(folder, part), part, mounts));
  // A file system on the disk itself.
  const own = volumeOf(folder, name, mounts);
  if (own.mountedAt.length > 0) volumes.unshift(own);
  const model = textOf(join(folder, "device/model"));
  // What a device calls itself is taken as far as the protocol can carry it.
  const announced = disk.safeParse({
    name,
    bytes,
    ...(model === "" ? {} : { model }),
    removable: textOf(join(folder, "removable")) === "1",
    readOnly: textOf(join(folder, "ro")) === "1",
    volumes: volumes.slice(0, VOLUMES_MAX),
  });
  return announced.data;
}

function volumeOf(folder: string, name: string, mounts: ReadonlyMap<string, readonly string[]>): Volume {
  const mountedAt = (mounts.get(textOf(join(folder, "dev"))) ?? []).slice(0, MOUNTED_AT_MAX);
  return { name, bytes: bytesOf(folder), mountedAt };
}

function bytesOf(folder: string): number {
  const sectors = Number(textOf(join(folder, "size")));
  return Number.isSafeInteger(sectors * SECTOR_BYTES) ? sectors * SECTOR_BYTES : 0;
}

/** Where each device is mounted, by `major:minor`. */
function mountsByNumber(path: string): ReadonlyMap<string, readonly string[]> {
  const mounts = new Map<string, string[]>();
  for (const line of textOf(path).split("\n")) {
    const [, , number = "", , escaped = ""] = line.split(" ");
    // Spaces, tabs, line feeds and backslashes stand as octal numbers there.
    const place = escaped.replaceAll(/\\([0-7]{3})/gu, (_, digits: string) =>
      String.fromCodePoint(Number.parseInt(digits, 8)),
    );
    if (!/^\/[^\p{Cc}]{0,254}$/u.test(place)) continue;
    mounts.set(number, [...(mounts.get(number) ?? []), place]);
  }
  return mounts;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
