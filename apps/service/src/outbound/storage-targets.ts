/**
 * Which storages a worker is sent to. It stands where the service stands: a location that means the machine itself, or the place
 * where a cloud gives out credentials, is refused to it unless the policy `outbound` lists it. Private networks are where storages are,
 * and other devices reach what they reach.
 *
 * A name is looked up when a person tests the storage; when a task is given out, what the location itself says is looked at. The worker looks
 * the name up again (docs/security.md, section 6).
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { OutboundPolicy } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { type Address, type AddressKind, kindOf, parseAddress } from "./address.ts";
import { permits, readOutboundPolicy } from "./outbound-policy.ts";
import { type Resolve, systemResolve } from "./resolve.ts";

const USUAL: ReadonlySet<AddressKind> = new Set(["public", "private"]);
const LOOPBACK_NAME = /(?:^|\.)(?:localhost|ip6-localhost|ip6-loopback)\.?$/iu;

/** Hosts that a location names, without brackets; none for a folder. */
export function hostsOf(location: string): readonly string[] {
  const url = URL.parse(location);
  if (url === null || url.protocol === "file:") return [];
  const endpoint = url.searchParams.get("endpoint");
  // In S3 and Azure the host is the name of a bucket or container.
  if (endpoint !== null) return hostsOf(endpoint.includes("://") ? endpoint : `https://${endpoint}`);
  return url.protocol === "s3:" || url.protocol === "azure:" || url.hostname === "" ? [] : [hostOf(url)];
}

/** @throws AppError `ERR_OUTBOUND_REFUSED`. */
export function checkStorageTarget(policy: OutboundPolicy, location: string): void {
  for (const host of hostsOf(location)) {
    const address = parseAddress(LOOPBACK_NAME.test(host) ? "127.0.0.1" : host);
    if (address !== undefined) checkAddress(policy, host, address);
  }
}

/** Also looks names up; one that is not known here is left to the worker. @throws AppError `ERR_OUTBOUND_REFUSED`. */
export async function checkStorageTargetByName(
  db: Db,
  location: string,
  resolve: Resolve = systemResolve,
): Promise<void> {
  const policy = await readOutboundPolicy(db);
  checkStorageTarget(policy, location);
  for (const host of hostsOf(location)) {
    for (const text of await resolve(host).catch(() => [])) {
      const address = parseAddress(text);
      if (address !== undefined) checkAddress(policy, host, address);
    }
  }
}

interface TargetedTask {
  readonly device_id: string;
  readonly storage_id: string | null;
  readonly repository_id: string | null;
  readonly input: string;
}

const otherStorage = z.object({ target: z.string().optional() });

/** Of every storage that the task has to do with, when its device is a worker. @throws AppError `ERR_OUTBOUND_REFUSED`. */
export async function checkTaskTargets(db: Db, task: TargetedTask): Promise<void> {
  const device = await db
    .selectFrom("devices")
    .select("worker")
    .where("id", "=", task.device_id)
    .executeTakeFirst();
  if (device?.worker !== 1) return;
  const policy = await readOutboundPolicy(db);
  const other = otherStorage.safeParse(JSON.parse(task.input)).data?.target;
  for (const location of await locationsOf(db, task, other)) checkStorageTarget(policy, location);
}

async function locationsOf(db: Db, task: TargetedTask, other: string | undefined): Promise<string[]> {
  const ids = [task.storage_id, other].filter((id) => typeof id === "string");
  const { repository_id: repositoryId } = task;
  if (repositoryId !== null) {
    const repository = db.selectFrom("repositories").select("storage_id").where("id", "=", repositoryId);
    const found = await repository.executeTakeFirst();
    if (found !== undefined) ids.push(found.storage_id);
  }
  if (ids.length === 0) return [];
  const rows = await db.selectFrom("storages").select("location").where("id", "in", ids).execute();
  return rows.map(({ location }) => location);
}

function checkAddress(policy: OutboundPolicy, host: string, address: Address): void {
  const kind = kindOf(address);
  if (USUAL.has(kind) || permits(policy, address)) return;
  throw new AppError(
    "ERR_OUTBOUND_REFUSED",
    `A worker is not sent to ${host}: its address is a ${kind} one.`,
    {
      subject: host,
      remedy:
        "Name the storage as other machines do, choose a device that is no worker, or let an administrator list the address: PUT /api/v1/policies/outbound.",
    },
  );
}

/** As the system would read it: `2130706433` is an address as well. */
function hostOf({ hostname }: URL): string {
  const canonical = URL.parse(`http://${decoded(hostname)}/`)?.hostname ?? hostname;
  return canonical.replace(/^\[(.*)\]$/u, "$1");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
