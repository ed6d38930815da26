/**
 * Whom the service may call: public addresses, and what an administrator lists besides.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { AppError, type Clock } from "@holdfast/kernel";
import { type OutboundPolicy, outboundPolicy, type OutboundPolicyView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import { InputError } from "../http/problems.ts";
import type { Actor } from "../http/route.ts";
import { type Address, contains, parseNetwork, rangeAround, rangeOf } from "./address.ts";

export interface OutboundPolicyDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
}

const NAME = "outbound";

export const PUBLIC_ONLY: OutboundPolicy = { networks: [], plainHttp: [], authorities: "" };

/**
 * A special address needs an entry that lies within its own range: `169.254.0.0/16` allows link-local addresses, but not the one
 * among them where a cloud gives out credentials.
 */
export function permits({ networks }: Pick<OutboundPolicy, "networks">, address: Address): boolean {
  const range = rangeOf(address);
  if (range === undefined) return true;
  return networks.some((text) => {
    const network = parseNetwork(text);
    return network !== undefined && contains(range, network) && contains(network, address);
  });
}

export async function readOutboundPolicy(db: Db): Promise<OutboundPolicyView> {
  const row = await db.selectFrom("policies").selectAll().where("name", "=", NAME).executeTakeFirst();
  if (row === undefined) return { ...PUBLIC_ONLY, changedAt: null, changedBy: null, revision: 0 };
  const value = outboundPolicy.parse(JSON.parse(row.value));
  return { ...value, changedAt: row.changed_at, changedBy: row.changed_by, revision: row.revision };
}

/** @throws AppError `ERR_INPUT` naming the entry, `ERR_CHANGED_MEANWHILE`. */
export async function setOutboundPolicy(
  { database, audit, clock }: OutboundPolicyDependencies,
  actor: Actor,
  policy: OutboundPolicy,
  ifMatch: number | undefined,
): Promise<OutboundPolicyView> {
  checkPolicy(policy);
  return database.transaction(async (transaction) => {
    const before = await readOutboundPolicy(transaction);
    checkRevision(before, ifMatch);
    const row = {
      name: NAME,
      value: JSON.stringify(policy),
      changed_at: clock.now(),
      changed_by: actor.userId,
      revision: before.revision + 1,
    };
    await transaction.deleteFrom("policies").where("name", "=", NAME).execute();
    await transaction.insertInto("policies").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "policy.change",
      subject: { kind: "policy", id: NAME },
      details: {
        networks: policy.networks,
        plainHttp: policy.plainHttp,
        authorities: certificatesOf(policy.authorities).length,
      },
    });
    return readOutboundPolicy(transaction);
  });
}

/** PEM blocks, one by one. */
export function certificatesOf(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
}

function checkPolicy({ networks, authorities }: OutboundPolicy): void {
  for (const [index, text] of networks.entries()) {
    const network = parseNetwork(text);
    const path = `networks.${String(index)}`;
    if (network === undefined) {
      throw new InputError([{ path, message: "is no address and no network such as 10.1.0.0/16" }]);
    }
    if (rangeAround(network) === undefined) {
      throw new InputError([
        {
          path,
          message:
            "is public, or wider than one kind of addresses: list 10.0.0.0/8, 127.0.0.1 and others apart",
        },
      ]);
    }
  }
  const certificates = certificatesOf(authorities);
  if (authorities.trim() !== "" && certificates.length === 0) throw unreadable(undefined);
  for (const certificate of certificates) checkCertificate(certificate);
}

function checkCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): AppError {
  return new AppError("ERR_USAGE", "The authorities hold something that is no certificate.", {
    subject: "authorities",
    remedy: "Give certificates in PEM: lines from BEGIN CERTIFICATE to END CERTIFICATE.",
    cause,
  });
}
