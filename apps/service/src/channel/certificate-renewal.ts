/**
 * A new certificate over the channel, for a new key (docs/protocol.md, section 2.4). The present one stays valid until the new one has
 * been used.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type { AuditLog } from "../audit/audit.ts";
import type { Authority } from "../authority/authority.ts";
import type { ClientIdentity } from "../authority/client-certificate.ts";
import type { Database } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import { type AttemptLimit, countAttempts } from "../secrets/attempts.ts";

export interface RenewalDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly authority: Authority;
  readonly clock: Pick<Clock, "now">;
}

/** An agent asks once an hour at most: what asks more often is none, and each fills a row of the audit log. */
const LIMIT: AttemptLimit = { count: 10, windowMs: 3_600_000 };

/**
 * @param request PKCS #10, DER. Of two requests the later counts.
 * @returns PEM.
 * @throws AppError `ERR_DEVICE_CERTIFICATE`, `ERR_DEVICE_DISABLED`, `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function renewCertificate(
  { database, audit, authority, clock }: RenewalDependencies,
  identity: ClientIdentity,
  request: Buffer,
): Promise<string> {
  const { deviceId } = identity;
  const device = { kind: "device", id: deviceId } as const;
  const row = { actor: device, action: "device.renew", subject: device };
  if ((await countAttempts(database.db, row, LIMIT, clock.now())) >= LIMIT.count) {
    throw new RetryLaterError(
      "ERR_TOO_MANY_ATTEMPTS",
      "The device has renewed its certificate too often.",
      LIMIT.windowMs,
    );
  }
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
    await audit.append(transaction, { ...row, details: { serial: issued.serial } });
  });
  return issued.pem;
}
