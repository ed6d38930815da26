/**
 * The certificate that browsers get, when the administrator gives none. It is kept in the vault: a person who has accepted it is not
 * asked again after each start, and processes with the same names show the same one.
 *
 * @module
 */
import { createHash, X509Certificate } from "node:crypto";
import type { Clock } from "@holdfast/kernel";
import type { Database, Db } from "../database/database.ts";
import type { ValueName, Vault } from "../secrets/vault.ts";
import { type IssuedCertificate, RENEW_BEFORE_MS, type ServerNames } from "./certificates.ts";

export type ServerCertificate = IssuedCertificate & {
  /** PEM, PKCS #8. */
  readonly key: string;
};

export interface BrowserCertificateDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly clock: Pick<Clock, "now">;
  readonly issue: (names: ServerNames) => Promise<ServerCertificate>;
}

/** The present one; a new one, and stored, when there is none or its time comes to an end. */
export async function browserCertificate(
  dependencies: BrowserCertificateDependencies,
  names: ServerNames,
): Promise<ServerCertificate> {
  const { database, clock } = dependencies;
  const id = `browser-${createHash("sha256").update(JSON.stringify(names)).digest("hex").slice(0, 32)}`;
  const isGood = (found: ServerCertificate | undefined): found is ServerCertificate =>
    found !== undefined && found.expiresAt > clock.now() + RENEW_BEFORE_MS;
  const present = await read(dependencies, database.db, id);
  if (isGood(present)) return present;
  const issued = await dependencies.issue(names);
  return database.transaction(async (transaction) => {
    // Another process may have been faster.
    const meanwhile = await read(dependencies, transaction, id);
    if (isGood(meanwhile)) return meanwhile;
    const version = ((await newestVersion(transaction, id)) ?? 0) + 1;
    for (const field of ["key", "certificate"] as const) {
      const value = Buffer.from(field === "key" ? issued.key : issued.pem, "utf8");
      await dependencies.vault.put(transaction, nameOf(id, version, field), value);
      value.fill(0);
    }
    return issued;
  });
}

async function read(
  { vault }: BrowserCertificateDependencies,
  db: Db,
  id: string,
): Promise<ServerCertificate | undefined> {
  const version = await newestVersion(db, id);
  if (version === undefined) return undefined;
  using key = await vault.get(db, nameOf(id, version, "key"));
  using pem = await vault.get(db, nameOf(id, version, "certificate"));
  const text = Buffer.from(pem.bytes).toString("utf8");
  const certificate = new X509Certificate(text);
  return {
    key: Buffer.from(key.bytes).toString("utf8"),
    pem: text,
    serial: certificate.serialNumber.toLowerCase(),
    expiresAt: certificate.validToDate.getTime(),
  };
}

async function newestVersion(db: Db, id: string): Promise<number | undefined> {
  const newest = await db
    .selectFrom("vault_values")
    .select("version")
    .where("object_kind", "=", "authority")
    .where("object_id", "=", id)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  return newest?.version;
}

function nameOf(id: string, version: number, field: "key" | "certificate"): ValueName {
  return { kind: "authority", id, version, field };
}
