/**
 * A device introduces itself: it is connected to this process from then on.
 *
 * @module
 */
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Clock } from "@holdfast/kernel";
import type { Database, Transaction } from "../database/database.ts";
import type { Hello } from "./channel.ts";

export interface HelloDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
  readonly processId: string;
}

/** @returns when it was connected, by the service's clock; or why the channel must end. */
export async function connectDevice(
  dependencies: HelloDependencies,
  identity: ClientIdentity,
  hello: Hello,
): Promise<number | "disabled" | "certificate"> {
  const { database, clock, processId } = dependencies;
  return database.transaction(async (transaction) => {
    const device = await transaction
      .selectFrom("devices")
      .select(["disabled", "certificate_serial", "next_certificate_serial"])
      .where("id", "=", identity.deviceId)
      .executeTakeFirst();
    if (device === undefined || device.disabled === 1) return "disabled";
    if (identity.serial === device.next_certificate_serial)
      await adoptCertificate(dependencies, transaction, identity);
    else if (identity.serial !== device.certificate_serial) return "certificate";
    const now = clock.now();
    await transaction
      .updateTable("devices")
      .set({
        version: hello.version,
        platform: JSON.stringify(hello.platform),
        methods: JSON.stringify(hello.methods),
        disks: JSON.stringify(hello.disks ?? []),
        process_id: processId,
        connected_at: now,
        seen_at: now,
      })
      .where("id", "=", identity.deviceId)
      .execute();
    return now;
  });
}

/** The first use of a renewed certificate ends the one before. */
async function adoptCertificate(
  { audit }: HelloDependencies,
  transaction: Transaction,
  identity: ClientIdentity,
): Promise<void> {
  await transaction
    .updateTable("devices")
    .set({
      certificate_serial: identity.serial,
      next_certificate_serial: null,
      certificate_expires_at: identity.expiresAt,
    })
    .where("id", "=", identity.deviceId)
    .execute();
  await audit.append(transaction, {
    actor: { kind: "device", id: identity.deviceId },
    action: "device.certificate",
    subject: { kind: "device", id: identity.deviceId },
    details: { serial: identity.serial },
  });
}
