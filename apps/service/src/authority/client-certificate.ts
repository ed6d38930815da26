/**
 * What a client certificate proves by itself; whether its device may still use it is for the database to say.
 *
 * TLS has made sure that the other side holds the certificate's key. Issuer, purpose and time are checked here, with the
 * service's clock.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { deviceId } from "@holdfast/protocol";
import type { Authority } from "./authority.ts";
import { CLIENT_AUTH } from "./certificates.ts";

export interface ClientIdentity {
  readonly deviceId: string;
  /** Hex, small letters. */
  readonly serial: string;
  readonly expiresAt: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
}

export type ClientCertificateProblem = "none" | "untrusted" | "time";

export function readClientCertificate(
  authority: Authority,
  certificate: X509Certificate | undefined,
  now: number,
): ClientIdentity | ClientCertificateProblem {
  if (certificate === undefined) return "none";
  if (!isIssued(authority, certificate)) return "untrusted";
  const id = deviceId.safeParse(/^CN=(.*)$/u.exec(certificate.subject)?.[1]);
  if (!id.success) return "untrusted";
  const expiresAt = certificate.validToDate.getTime();
  if (now < certificate.validFromDate.getTime() || now >= expiresAt) return "time";
  return {
    deviceId: id.data,
    serial: certificate.serialNumber.toLowerCase(),
    expiresAt,
    publicKey: certificate.publicKey.export({ type: "spki", format: "der" }),
  };
}

function isIssued(authority: Authority, certificate: X509Certificate): boolean {
  const issuer = new X509Certificate(authority.certificate);
  return (
    certificate.checkIssued(issuer) &&
    certificate.verify(authority.publicKey) &&
    !certificate.ca &&
    // Without the extension it is undefined, whatever its type says.
    String(certificate.keyUsage) === CLIENT_AUTH
  );
}
