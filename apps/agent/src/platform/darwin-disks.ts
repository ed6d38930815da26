/**
 * The disks of a Mac, as diskutil(8) shows them; plutil(1) makes JSON of its property lists. Written from the manual pages; never
 * run (docs/platforms.md).
 *
 * What is mounted on an APFS disk are volumes of a container, which diskutil shows as a disk of its own: they are told where
 * the container keeps its bytes.
 *
 * @module
 */
import { DISKS_MAX, type Disk, disk, type Volume, VOLUMES_MAX } from "@holdfast/protocol";
import { runTool, type ToolRunner } from "@holdfast/sources";
import { z } from "zod";

const DISKUTIL = "/usr/sbin/diskutil";
const PLUTIL = "/usr/bin/plutil";
const TIMEOUT_MS = 30_000;
const MOUNTED_AT_MAX = 2;

const part = z.object({
  DeviceIdentifier: z.string(),
  Size: z.number(),
  MountPoint: z.string().optional(),
});
const list = z.object({
  AllDisksAndPartitions: z.array(
    part.extend({
      Partitions: z.array(part).default([]),
      APFSVolumes: z.array(part).default([]),
      APFSPhysicalStores: z.array(z.object({ DeviceIdentifier: z.string() })).default([]),
    }),
  ),
});
type Listed = z.infer<typeof list>["AllDisksAndPartitions"][number];

const info = z.object({
  MediaName: z.string().default(""),
  RemovableMediaOrExternalDevice: z.boolean().default(false),
  WritableMedia: z.boolean().default(true),
  /** `Virtual` for an image of a disk that somebody opened. */
  VirtualOrPhysical: z.string().default(""),
});

/** None when macOS does not say. */
export async function darwinDisks(run: ToolRunner = runTool): Promise<readonly Disk[]> {
  const listed = list.safeParse(await propertyList(["list", "-plist"], run));
  if (!listed.success) return [];
  const all = listed.data.AllDisksAndPartitions;
  const containers = all.filter(isContainer);
  const disks: Disk[] = [];
  for (const found of all.filter((one) => !isContainer(one)).slice(0, DISKS_MAX)) {
    const announced = await diskOf(found, containers, run);
    if (announced !== undefined) disks.push(announced);
  }
  return disks;
}

function isContainer({ APFSPhysicalStores }: Listed): boolean {
  return APFSPhysicalStores.length > 0;
}

async function diskOf(
  found: Listed,
  containers: readonly Listed[],
  run: ToolRunner,
): Promise<Disk | undefined> {
  const { DeviceIdentifier: name, Size: bytes, MountPoint, Partitions } = found;
  const about = info.safeParse(await propertyList(["info", "-plist", name], run)).data ?? info.parse({});
  if (about.VirtualOrPhysical === "Virtual") return undefined;
  const volumes = Partitions.map((partition) => volumeOf(partition, containers));
  // A file system on the disk itself.
  if (MountPoint !== undefined) volumes.unshift({ name, bytes, mountedAt: [MountPoint] });
  // What a device calls itself is taken as far as the protocol can carry it.
  return disk.safeParse({
    name,
    bytes,
    ...(about.MediaName === "" ? {} : { model: about.MediaName }),
    removable: about.RemovableMediaOrExternalDevice,
    readOnly: !about.WritableMedia,
    volumes: volumes.slice(0, VOLUMES_MAX),
  }).data;
}

function volumeOf(
  { DeviceIdentifier: name, Size, MountPoint }: z.infer<typeof part>,
  containers: readonly Listed[],
): Volume {
  const inside = containers
    .filter((container) => container.APFSPhysicalStores.some((store) => store.DeviceIdentifier === name))
    .flatMap((container) => container.APFSVolumes);
  const places = [MountPoint, ...inside.map((volume) => volume.MountPoint)];
  return {
    name,
    bytes: Size,
    mountedAt: places.filter((place) => place !== undefined).slice(0, MOUNTED_AT_MAX),
  };
}

/** What diskutil says, as JSON; undefined when it fails. */
async function propertyList(words: readonly string[], run: ToolRunner): Promise<unknown> {
  const said = await run({ program: DISKUTIL, words, timeoutMs: TIMEOUT_MS });
  if (said.code !== 0) return undefined;
  const convert = ["-convert", "json", "-o", "-", "-"];
  const { code, output } = await run({
    program: PLUTIL,
    words: convert,
    input: said.output,
    timeoutMs: TIMEOUT_MS,
  });
  try {
    return code === 0 ? JSON.parse(output) : undefined;
  } catch {
    return undefined;
  }
}
