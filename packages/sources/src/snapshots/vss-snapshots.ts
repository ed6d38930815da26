/**
 * Snapshots of Windows volumes: Volume Shadow Copy Service by the class Win32_ShadowCopy, which PowerShell reaches on
 * clients and servers alike (`vssadmin create shadow` is there on servers only). Written from the documentation of the
 * class; never run (docs/platforms.md).
 *
 * The context is "ClientAccessible": the snapshot is what a sudden loss of power would leave, without the programs being
 * asked to finish first.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { snapshotError } from "./snapshot-error.ts";
import type { SnapshotSystem } from "./snapshot-system.ts";
import { powerShell } from "../tools/power-shell.ts";
import type { ToolCall, ToolRunner } from "../tools/tool-runner.ts";

const CREATE_TIMEOUT_MS = 180_000;
const QUERY_TIMEOUT_MS = 60_000;
const ID = /^\{[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\}$/iu;
const DEVICE = /^\\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d{1,9}$/u;

/** Every script prints one line of JSON, or nothing. */
const CREATE_SCRIPT = `$made = Invoke-CimMethod -ClassName Win32_ShadowCopy -MethodName Create -Arguments @{ Volume = $env:HOLDFAST_VOLUME; Context = 'ClientAccessible' }; @{ code = [int]$made.ReturnValue; id = [string]$made.ShadowID } | ConvertTo-Json -Compress`;
const FIND_SCRIPT = `$copy = Get-CimInstance -ClassName Win32_ShadowCopy -Filter "ID='$env:HOLDFAST_SHADOW'"; @{ device = [string]$copy.DeviceObject } | ConvertTo-Json -Compress`;
const REMOVE_SCRIPT = `$copy = Get-CimInstance -ClassName Win32_ShadowCopy -Filter "ID='$env:HOLDFAST_SHADOW'"; if ($null -ne $copy) { Remove-CimInstance -InputObject $copy }`;

/** ReturnValue of Win32_ShadowCopy.Create. */
const REASONS: Readonly<Record<number, string>> = {
  1: "access is denied",
  2: "an argument is not valid",
  3: "there is no such volume",
  4: "this kind of volume has no snapshots",
  5: "this kind of snapshot is not supported",
  6: "there is too little room for it",
  7: "the volume is in use",
  8: "the volume has as many snapshots as it can have",
  9: "another snapshot is being made; try again in some minutes",
  10: "the provider of snapshots refused",
  11: "the provider of snapshots is not registered",
  12: "the provider of snapshots failed",
};

export const VSS_SNAPSHOTS: SnapshotSystem = {
  volumesOf: (paths) => {
    const volumes = new Set<string>();
    const left: string[] = [];
    for (const path of paths) {
      const [drive = ""] = path.split("/");
      if (/^[A-Z]$/u.test(drive)) volumes.add(`${drive}:\\`);
      else left.push(path);
    }
    return { volumes: [...volumes], left };
  },
  create: async (volume, { run, created, signal }) => {
    const made = await answerOf(run, {
      ...powerShell(CREATE_SCRIPT, { HOLDFAST_VOLUME: volume }, CREATE_TIMEOUT_MS),
      ...(signal === undefined ? {} : { signal }),
    });
    const { code, id } = made;
    if (code !== 0) throw notFrozen(volume, REASONS[Number(code)] ?? `code ${String(code)}`);
    if (typeof id !== "string" || !ID.test(id)) throw notFrozen(volume, "Windows named no snapshot");
    await created({ id });
    const { device } = await answerOf(
      run,
      powerShell(FIND_SCRIPT, { HOLDFAST_SHADOW: id }, QUERY_TIMEOUT_MS),
    );
    if (typeof device !== "string" || !DEVICE.test(device))
      throw notFrozen(volume, "Windows did not say where the snapshot is");
    return [{ path: volume.charAt(0), source: `${device}\\` }];
  },
  remove: async ({ id }, run) => {
    if (!ID.test(id)) return;
    const { code, problem } = await run(powerShell(REMOVE_SCRIPT, { HOLDFAST_SHADOW: id }, QUERY_TIMEOUT_MS));
    if (code === 0) return;
    const remedy = `Remove it as an administrator: vssadmin delete shadows /shadow=${id}`;
    throw snapshotError(`The snapshot ${id} cannot be removed: ${problem}.`, id, remedy);
  },
};

/** The fields of the one line that a script prints. */
async function answerOf(run: ToolRunner, call: ToolCall): Promise<Readonly<Record<string, unknown>>> {
  const { code, output, problem } = await run(call);
  if (call.signal?.aborted === true) throw cancelled(call.signal);
  const subject = call.variables?.["HOLDFAST_VOLUME"] ?? call.variables?.["HOLDFAST_SHADOW"] ?? "";
  if (code !== 0) throw notFrozen(subject, problem);
  try {
    const answer: unknown = JSON.parse(output);
    if (typeof answer === "object" && answer !== null) return { ...answer };
  } catch {
    // Told below.
  }
  throw notFrozen(subject, "PowerShell answered something else than expected");
}

function notFrozen(subject: string, reason: string): AppError {
  return snapshotError(`No snapshot of ${subject} could be made: ${reason}.`, subject);
}

function cancelled(signal: AbortSignal): Error {
  return signal.reason instanceof Error
    ? signal.reason
    : new AppError("ERR_CANCELLED", "The backup was cancelled.");
}
