/**
 * What will go wrong with a plan, known while it is set up: devices that do not have its encryption method. Which ones they
 * are is what the devices announced, not what they are called (PRODUCT.md, promise 5).
 *
 * @module
 */
import type { Encryption, PlanView } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";

export async function warningsOf(
  db: Db,
  deviceIds: readonly string[],
  encryption: Encryption | null,
): Promise<PlanView["warnings"]> {
  if (encryption === null || deviceIds.length === 0) return [];
  const { method } = encryption;
  const devices = await db
    .selectFrom("devices")
    .select(["id", "name", "methods"])
    .where("id", "in", [...deviceIds])
    .execute();
  return devices
    .filter(({ methods }) => !z.array(z.string()).parse(JSON.parse(methods)).includes(method))
    .map(({ id, name }) => ({
      code: "ERR_METHOD_UNSUPPORTED",
      device: id,
      message: `The device ${name} does not support AES-${method.toUpperCase()}: its backups and restores by this plan will fail.`,
      remedy:
        method === "gcm"
          ? "Choose AES-CBC for a plan with this device, or make a plan of its own for it."
          : "Make a plan of its own for this device, with a method that it supports.",
    }));
}
