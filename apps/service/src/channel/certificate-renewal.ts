/**
 * A new certificate over the channel, for a new key (docs/protocol.md, section 2.4). The present one stays valid until the new one has
 * been used.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { AuditLog } from "../audit/audit.ts";
import type { Authority } from "../authority/authority.ts";
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { Database } from "../database/database.ts";

export interface RenewalDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly authority: Authority;
}

/**
 * @param request PKCS #10, DER. Of two requests the later counts.
 * @returns PEM.
 * @throws AppError `ERR_DEVICE_CERTIFICATE`, `ERR_DEVICE_DISABLED`.
 */
export async function renewCertificate(
  { database, audit, authority }: RenewalDependencies,
  identity: ClientIdentity,
  request: Buffer,
): Promise<string> {
  const { deviceId } = identity;
  const issued = await authority.issueClient(request, deviceId, identity.publicKey);
  await database.transaction(async (transaction) => {
    const updated = await transaction
      .updateTable("devices")
      .set({ next_certificate_serial: issued.serial })
      .where("id", "=", deviceId)
      .where("disabled", "=", 0)
      .where("certificate_serial", "=", identity.serial)
      .executeTakeFirst();
    if (updated.numUpdatedRows !== 1n) {
      throw new AppError("ERR_DEVICE_DISABLED", "The device was disabled or has another certificate.", {
        subject: deviceId,
        remedy: "Connect again.",
      });
    }
    await audit.append(transaction, {
      actor: { kind: "device", id: deviceId },
      action: "device.renew",
      subject: { kind: "device", id: deviceId },
      details: { serial: issued.serial },
    });
  });
  return issued.pem;
}
