/**
 * The disks of a Windows machine, as its Storage Management API shows them: the classes MSFT_Disk and MSFT_Partition, through
 * PowerShell. Written from the documentation of these classes; never run (docs/platforms.md).
 *
 * @module
 */
import { DISKS_MAX, type Disk, disk, VOLUMES_MAX } from "@holdfast/protocol";
import { powerShell, runTool, type ToolRunner } from "@holdfast/sources";
import { z } from "zod";

const TIMEOUT_MS = 30_000;
/** BusType of MSFT_Disk: IEEE 1394, USB, SD and MMC. */
const REMOVABLE_BUSES: ReadonlySet<number> = new Set([4, 7, 12, 13]);
const MOUNTED_AT_MAX = 2;

const SCRIPT = [
  "$space = 'root/Microsoft/Windows/Storage'",
  "$disks = @(Get-CimInstance -Namespace $space -ClassName MSFT_Disk | ForEach-Object { @{ number = [int]$_.Number; bytes = [long]$_.Size; model = [string]$_.FriendlyName; readOnly = [bool]$_.IsReadOnly; bus = [int]$_.BusType } })",
  "$partitions = @(Get-CimInstance -Namespace $space -ClassName MSFT_Partition | ForEach-Object { @{ disk = [int]$_.DiskNumber; number = [int]$_.PartitionNumber; bytes = [long]$_.Size; paths = @($_.AccessPaths | Where-Object { $_ }) } })",
  "@{ disks = $disks; partitions = $partitions } | ConvertTo-Json -Compress -Depth 4",
].join("; ");

const answer = z.object({
  disks: z.array(
    z.object({
      number: z.int(),
      bytes: z.number(),
      model: z.string(),
      readOnly: z.boolean(),
      bus: z.int(),
    }),
  ),
  partitions: z.array(
    z.object({ disk: z.int(), number: z.int(), bytes: z.number(), paths: z.array(z.string()) }),
  ),
});
type Answer = z.infer<typeof answer>;

/** None when Windows does not say. */
export async function windowsDisks(run: ToolRunner = runTool): Promise<readonly Disk[]> {
  const { code, output } = await run(powerShell(SCRIPT, {}, TIMEOUT_MS));
  const said = code === 0 ? parsed(output) : undefined;
  if (said === undefined) return [];
  return said.disks.flatMap((found) => diskOf(found, said.partitions) ?? []).slice(0, DISKS_MAX);
}

function parsed(output: string): Answer | undefined {
  try {
    return answer.safeParse(JSON.parse(output)).data;
  } catch {
    return undefined;
  }
}

function diskOf(
  { number, bytes, model, readOnly, bus }: Answer["disks"][number],
  partitions: Answer["partitions"],
): Disk | undefined {
  // A drive without a medium.
  if (bytes === 0) return undefined;
  const volumes = partitions.filter((partition) => partition.disk === number).map(volumeOf);
  // What a device calls itself is taken as far as the protocol can carry it.
  return disk.safeParse({
    name: `PhysicalDrive${String(number)}`,
    bytes,
    ...(model === "" ? {} : { model }),
    removable: REMOVABLE_BUSES.has(bus),
    readOnly,
    volumes: volumes.slice(0, VOLUMES_MAX),
  }).data;
}

function volumeOf({
  disk: owner,
  number,
  bytes,
  paths,
}: Answer["partitions"][number]): Disk["volumes"][number] {
  // Each volume has a name `\\?\Volume{...}\` as well, which nobody looks for it by.
  const mountedAt = paths.filter((path) => !path.startsWith("\\\\?\\")).slice(0, MOUNTED_AT_MAX);
  return { name: `Harddisk${String(owner)}Partition${String(number)}`, bytes, mountedAt };
}
