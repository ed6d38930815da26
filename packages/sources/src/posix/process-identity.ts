/**
 * Who this process is, and whether another one has surely ended. A cleaner may delete what an ended writer left behind,
 * so every doubt means: it may still run.
 *
 * - Machines with the same name are told apart by the digest of `/etc/machine-id`, which goes into the host.
 * - The boot id is followed by the process id namespace: containers of one machine share the boot id, and a process of
 *   one has another number, or none, in the other.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { errorCode } from "@holdfast/kernel";
import type { SessionProcess } from "@holdfast/repository";

const START_TIME_FIELD = 22;
const MACHINE_DIGEST_CHARACTERS = 16;

export function ownProcess(): SessionProcess {
  const machine = machineDigest();
  const boot = readLine("/proc/sys/kernel/random/boot_id");
  const namespace = readNamespace();
  return {
    host: machine === "" ? hostname() : `${hostname()}/${machine}`,
    bootId: boot === "" || namespace === "" ? "" : `${boot}/${namespace}`,
    processId: process.pid,
    startTime: startTimeOf(process.pid),
  };
}

/** Made once for the process that asks. */
export function endedProcesses(own: SessionProcess): (other: SessionProcess) => boolean {
  return (other) => {
    if (other.host !== own.host || other.bootId === "" || own.bootId === "") return false;
    const [boot, namespace] = other.bootId.split("/");
    const [ownBoot, ownNamespace] = own.bootId.split("/");
    // Without the digest, a machine of the same name may be another one that was started at another time.
    if (boot !== ownBoot) return own.host.includes("/");
    return namespace === ownNamespace && isGone(other);
  };
}

function isGone({ processId, startTime }: SessionProcess): boolean {
  if (!Number.isSafeInteger(processId) || processId <= 0) return false;
  try {
    // Signal 0 only asks; unlike /proc it also answers for the processes of others.
    process.kill(processId, 0);
  } catch (error) {
    return errorCode(error) === "ESRCH";
  }
  const now = startTimeOf(processId);
  return startTime !== "" && now !== "" && now !== startTime;
}

/** proc(5): field 22 of `stat`, in clock ticks after the start of the machine. The name in field 2 may hold anything. */
function startTimeOf(processId: number): string {
  const stat = readLine(`/proc/${String(processId)}/stat`);
  const behindName = stat.slice(stat.lastIndexOf(")") + 2);
  return behindName.split(" ")[START_TIME_FIELD - 3] ?? "";
}

/** machine-id(5) asks not to show the id itself. */
function machineDigest(): string {
  const id = readLine("/etc/machine-id");
  if (!/^[0-9a-f]{32}$/u.test(id)) return "";
  return createHmac("sha256", id)
    .update("holdfast/1/machine")
    .digest("hex")
    .slice(0, MACHINE_DIGEST_CHARACTERS);
}

function readNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

function readLine(path: string): string {
  try {
    return readFileSync(path, "latin1").trimEnd();
  } catch {
    return "";
  }
}
