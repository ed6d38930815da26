/**
 * Which device was ever given what: tells what to change when a device is lost.
 *
 * @module
 */
import type { DeviceExposure, SecretExposure } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";

/** What a device was given, that which is still in use first. */
export async function exposuresOfDevice(db: Db, deviceId: string): Promise<DeviceExposure[]> {
  const rows = await db
    .selectFrom("secret_exposures as exposure")
    .leftJoin("secrets as secret", "secret.id", "exposure.object_id")
    .leftJoin("repositories as repository", "repository.id", "exposure.object_id")
    .leftJoin("storages as storage", "storage.id", "repository.storage_id")
    .select(({ fn }) => [
      "exposure.object_kind",
      "exposure.object_id",
      "exposure.version",
      "secret.name",
      "secret.current_version",
      "storage.name as storage_name",
      fn.min<number>("exposure.at").as("first_at"),
      fn.max<number>("exposure.at").as("last_at"),
      fn.countAll<number>().as("leases"),
    ])
    .where("exposure.device_id", "=", deviceId)
    .groupBy([
      "exposure.object_kind",
      "exposure.object_id",
      "exposure.version",
      "secret.name",
      "secret.current_version",
      "storage.name",
    ])
    .orderBy("exposure.object_id")
    .orderBy("exposure.version")
    .execute();
  const items = rows.map((row) => {
    const name = row.name ?? row.storage_name ?? undefined;
    return {
      kind: row.object_kind,
      id: row.object_id,
      ...(name === undefined ? {} : { name }),
      version: row.version,
      firstAt: row.first_at,
      lastAt: row.last_at,
      leases: row.leases,
      changedSince: changedSince(row.object_kind, row.version, row.current_version),
    };
  });
  return items.toSorted((a, b) => Number(a.changedSince) - Number(b.changedSince));
}

/** Devices that were given a secret. */
export async function exposuresOfSecret(db: Db, secretId: string): Promise<SecretExposure[]> {
  const rows = await db
    .selectFrom("secret_exposures as exposure")
    .leftJoin("devices as device", "device.id", "exposure.device_id")
    .leftJoin("secrets as secret", "secret.id", "exposure.object_id")
    .select(({ fn }) => [
      "exposure.object_kind",
      "exposure.device_id",
      "exposure.version",
      "device.name",
      "secret.current_version",
      fn.min<number>("exposure.at").as("first_at"),
      fn.max<number>("exposure.at").as("last_at"),
      fn.countAll<number>().as("leases"),
    ])
    .where("exposure.object_id", "=", secretId)
    .groupBy([
      "exposure.object_kind",
      "exposure.device_id",
      "exposure.version",
      "device.name",
      "secret.current_version",
    ])
    .orderBy("exposure.device_id")
    .orderBy("exposure.version")
    .execute();
  return rows.map((row) => ({
    device: row.device_id,
    ...(row.name === null ? {} : { name: row.name }),
    version: row.version,
    firstAt: row.first_at,
    lastAt: row.last_at,
    leases: row.leases,
    changedSince: changedSince(row.object_kind, row.version, row.current_version),
  }));
}

/**
 * Only a password can be changed. One that was deleted may still be valid at the storage: the service cannot know, so it
 * does not claim that it was changed.
 */
function changedSince(kind: string, version: number, current: number | null): boolean {
  return kind === "password" && current !== null && version < current;
}
