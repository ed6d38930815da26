/**
 * Who is behind a TLS connection (docs/protocol.md, section 1).
 *
 * @module
 */
import type { TLSSocket } from "node:tls";
import { AppError, type Clock } from "@holdfast/kernel";
import type { Authority } from "../authority/authority.ts";
import {
  type ClientCertificateProblem,
  type ClientIdentity,
  readClientCertificate,
} from "../authority/client-certificate.ts";
import type { Db } from "../database/database.ts";

/** `replaced`: the device has another certificate now. `disabled`: it is, or was removed. */
export type Refusal = ClientCertificateProblem | "replaced" | "disabled";

export interface AuthorizationDependencies {
  readonly authority: Authority;
  readonly clock: Pick<Clock, "now">;
}

/** The enabled device that dialled, or why it is none. */
export async function authorizeDevice(
  { authority, clock }: AuthorizationDependencies,
  db: Db,
  socket: TLSSocket,
): Promise<ClientIdentity | Refusal> {
  const identity = readClientCertificate(authority, socket.getPeerX509Certificate(), clock.now());
  if (typeof identity === "string") return identity;
  const device = await db
    .selectFrom("devices")
    .select(["disabled", "certificate_serial", "next_certificate_serial"])
    .where("id", "=", identity.deviceId)
    .executeTakeFirst();
  if (device === undefined || device.disabled === 1) return "disabled";
  const isCurrent =
    identity.serial === device.certificate_serial || identity.serial === device.next_certificate_serial;
  return isCurrent ? identity : "replaced";
}

const REASONS: Readonly<Record<Refusal, string>> = {
  none: "No client certificate was presented.",
  untrusted: "The client certificate was not issued by this service for a device.",
  time: "The client certificate is not valid at this time.",
  replaced: "The client certificate was replaced by a newer one.",
  disabled: "The device was disabled or removed.",
};

export function refusalError(refusal: Refusal): AppError {
  return new AppError(
    refusal === "disabled" ? "ERR_DEVICE_DISABLED" : "ERR_DEVICE_CERTIFICATE",
    REASONS[refusal],
    {
      remedy:
        refusal === "disabled"
          ? "Ask an administrator to enable it, or enroll it anew."
          : "Enroll the device anew with a code that an administrator makes.",
    },
  );
}
