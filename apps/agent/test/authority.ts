/** A certificate authority as the service has one, made with another implementation than the agent's. */
// oxlint-disable-next-line import/no-unassigned-import -- it only has to be there before the next one
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { AGENT_SERVER_NAME, authorityPin } from "@holdfast/protocol";

const KEY = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;
const DAY_MS = 24 * 3_600_000;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly pin: Buffer;
  /** PEM; the certificate with those above it. */
  readonly serverKey: string;
  readonly serverChain: string;
  /** @param request PKCS #10, DER. */
  readonly issueClient: (request: Uint8Array, name: string, validMs?: number) => Promise<string>;
}

export async function newAuthority(
  serverNames: readonly string[] = [AGENT_SERVER_NAME],
): Promise<TestAuthority> {
  const keys = await crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
  const name = "CN=Test authority";
  const common = (): { serialNumber: string; notBefore: Date } => ({
    serialNumber: `01${randomBytes(16).toString("hex")}`,
    notBefore: new Date(Date.now() - 3_600_000),
  });
  const root = await x509.X509CertificateGenerator.create({
    ...common(),
    subject: name,
    issuer: name,
    notAfter: new Date(Date.now() + 365 * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const issue = async (
    publicKey: CryptoKey | x509.PublicKey,
    subject: string,
    usage: string,
    validMs: number,
    extensions: x509.Extension[] = [],
  ): Promise<string> => {
    const issued = await x509.X509CertificateGenerator.create({
      ...common(),
      subject: [{ CN: [subject] }],
      issuer: name,
      notAfter: new Date(Date.now() + validMs),
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([usage], false),
        ...extensions,
      ],
    });
    return `${issued.toString("pem")}\n`;
  };
  const server = await crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);
  const names = new x509.SubjectAlternativeNameExtension(
    serverNames.map((value) => ({ type: "dns" as const, value })),
  );
  const leaf = await issue(server.publicKey, "service", SERVER_AUTH, 90 * DAY_MS, [names]);
  const certificate = `${root.toString("pem")}\n`;
  return {
    certificate,
    pin: authorityPin(Buffer.from(root.publicKey.rawData)),
    serverKey: x509.PemConverter.encode(
      await crypto.subtle.exportKey("pkcs8", server.privateKey),
      "PRIVATE KEY",
    ),
    serverChain: leaf + certificate,
    issueClient: async (request, subject, validMs = 90 * DAY_MS) => {
      const decoded = new x509.Pkcs10CertificateRequest(new Uint8Array(request));
      if (!(await decoded.verify())) throw new Error("the request is not signed with its key");
      return issue(decoded.publicKey, subject, CLIENT_AUTH, validMs);
    },
  };
}
