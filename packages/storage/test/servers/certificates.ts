/** Certificates for a test, made by openssl. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly keyPath: string;
  readonly certificatePath: string;
  readonly pem: string;
  /** SHA-256, as openssl prints it. */
  readonly fingerprint: string;
}

/** An authority, and a certificate of it for 127.0.0.1. */
export function makeCertificates(folder: string): {
  readonly authority: Certificate;
  readonly server: Certificate;
} {
  const authority = make(folder, "authority", ["-subj", "/CN=Test authority"]);
  const server = make(folder, "server", [
    "-subj",
    "/CN=server",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-addext",
    "basicConstraints=critical,CA:FALSE",
    "-CA",
    authority.certificatePath,
    "-CAkey",
    authority.keyPath,
  ]);
  return { authority, server };
}

function make(folder: string, name: string, extra: readonly string[]): Certificate {
  const keyPath = join(folder, `${name}.key`);
  const certificatePath = join(folder, `${name}.pem`);
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const output = ["-days", "2", "-keyout", keyPath, "-out", certificatePath];
  execFileSync("openssl", [...kind, ...output, ...extra], { stdio: ["ignore", "ignore", "pipe"] });
  const pem = readFileSync(certificatePath, "utf8");
  return { keyPath, certificatePath, pem, fingerprint: new X509Certificate(pem).fingerprint256 };
}
