/**
 * Which device carries out what belongs to no device.
 *
 * A worker, where there is one: a device that backs up should not be given what deletes. A path, though, names a folder of
 * the machine that wrote to it, and only that one is known to have it.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { recipientOf } from "../storages/location.ts";
import { findStorage } from "../storages/storage-rows.ts";

/**
 * @param writer a device that has written there.
 * @throws AppError `ERR_NO_DEVICE`.
 */
export async function chooseDevice(
  db: Db,
  storageId: string,
  writer: string | null | undefined,
): Promise<string> {
  const { location, name } = await findStorage(db, storageId);
  const isPath = recipientOf(location) === "";
  const usable = await db
    .selectFrom("devices")
    .select(["id", "worker", "seen_at"])
    .where("disabled", "=", 0)
    .orderBy("seen_at", "desc")
    .execute();
  const own = usable.find(({ id }) => id === writer);
  const worker = usable.find((device) => device.worker === 1);
  const chosen = isPath ? (own ?? worker) : (worker ?? own);
  if (chosen !== undefined) return chosen.id;
  throw new AppError("ERR_NO_DEVICE", `No device is there that could work on the storage ${name}.`, {
    subject: storageId,
    remedy: "Enable a device, or make one a worker.",
  });
}

/** The device that has written where the copy lies: a replica was not written by the device that made the copy. */
export async function writerOf(
  db: Db,
  { repositoryId, deviceId }: { readonly repositoryId: string; readonly deviceId: string | null },
): Promise<string | null> {
  const { origin_id: originId, writer_id: writer } = await db
    .selectFrom("repositories")
    .select(["origin_id", "writer_id"])
    .where("id", "=", repositoryId)
    .executeTakeFirstOrThrow();
  return originId === null ? deviceId : writer;
}
