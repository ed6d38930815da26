/**
 * The service's own certificate authority (docs/protocol.md, section 1): agents trust it and nothing else. Its key and
 * certificate lie in the vault.
 *
 * @module
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import type { Clock, Randomness } from "@holdfast/kernel";
import { authorityPin } from "@holdfast/protocol";
import type { Database, Db } from "../database/database.ts";
import type { ValueName, Vault } from "../secrets/vault.ts";
import { browserCertificate, type ServerCertificate } from "./browser-certificate.ts";
import {
  createAuthorityCertificate,
  type IssuedCertificate,
  type Issuer,
  issueClientCertificate,
  issueServerCertificate,
  openIssuer,
  type ServerNames,
} from "./certificates.ts";

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  readonly publicKey: KeyObject;
  /** What an enrolment code says of it. */
  readonly pin: Buffer;
  /** `pem` holds the chain, this authority included: an agent that enrolls takes it from there. */
  readonly issueServer: (names: ServerNames) => Promise<ServerCertificate>;
  /** The same for browsers: one that is kept. */
  readonly browserCertificate: (names: ServerNames) => Promise<ServerCertificate>;
  /**
   * @param request PKCS #10, DER, from anybody.
   * @param refusedKey SubjectPublicKeyInfo of the certificate that is renewed.
   * @throws AppError `ERR_DEVICE_CERTIFICATE` when the request is not acceptable.
   */
  readonly issueClient: (
    request: Uint8Array,
    commonName: string,
    refusedKey?: Uint8Array,
  ) => Promise<IssuedCertificate>;
}

export interface AuthorityDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly clock: Pick<Clock, "now">;
  readonly randomness: Randomness;
}

const KEY: ValueName = { kind: "authority", id: "agents", version: 1, field: "key" };
const CERTIFICATE: ValueName = { ...KEY, field: "certificate" };

/** Opens the authority; makes it when the vault has none. @throws AppError `ERR_VAULT_DAMAGED` when it does not open. */
export async function openAuthority(dependencies: AuthorityDependencies): Promise<Authority> {
  if (!(await exists(dependencies.database.db))) await create(dependencies);
  const { vault, database } = dependencies;
  using key = await vault.get(database.db, KEY);
  using certificate = await vault.get(database.db, CERTIFICATE);
  const issuer = await openIssuer(key.bytes, certificate.bytes);
  return authorityOf(issuer, dependencies);
}

function authorityOf(issuer: Issuer, dependencies: AuthorityDependencies): Authority {
  const parsed = new X509Certificate(Buffer.from(issuer.certificate.rawData));
  const certificate = parsed.toString();
  const issueServer = async (names: ServerNames): Promise<ServerCertificate> => {
    const issued = await issueServerCertificate(issuer, names, dependencies);
    return { ...issued, pem: issued.pem + certificate };
  };
  return {
    certificate,
    publicKey: parsed.publicKey,
    pin: authorityPin(parsed.publicKey.export({ type: "spki", format: "der" })),
    issueServer,
    browserCertificate: (names) => browserCertificate({ ...dependencies, issue: issueServer }, names),
    issueClient: (request, commonName, refusedKey) =>
      issueClientCertificate(issuer, request, commonName, dependencies, refusedKey),
  };
}

async function exists(db: Db): Promise<boolean> {
  const found = await db
    .selectFrom("vault_values")
    .select("version")
    .where("object_kind", "=", KEY.kind)
    .where("object_id", "=", KEY.id)
    .executeTakeFirst();
  return found !== undefined;
}

/** Of several processes that start at once, one stores its authority. */
async function create(dependencies: AuthorityDependencies): Promise<void> {
  const { vault, database } = dependencies;
  const made = await createAuthorityCertificate(dependencies);
  try {
    await database.transaction(async (transaction) => {
      if (await exists(transaction)) return;
      await vault.put(transaction, KEY, made.privateKey);
      await vault.put(transaction, CERTIFICATE, made.certificate);
    });
  } finally {
    made.privateKey.fill(0);
  }
}
