/**
 * Whom the service may call: public addresses, and what an administrator lists besides.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import { type OutboundPolicy, outboundPolicy, type OutboundPolicyView } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { InputError } from "../http/problems.ts";
import type { Actor } from "../http/route.ts";
import { changePolicy, type PolicyDependencies, readPolicy } from "../policies/policy-rows.ts";
import { type Address, contains, parseNetwork, rangeAround, rangeOf } from "./address.ts";

export const PUBLIC_ONLY: OutboundPolicy = { networks: [], plainHttp: [], authorities: "" };

const OUTBOUND = { name: "outbound", schema: outboundPolicy, asItComes: PUBLIC_ONLY };

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
  return readPolicy(db, OUTBOUND);
}

/** @throws AppError `ERR_INPUT` naming the entry, `ERR_CHANGED_MEANWHILE`. */
export async function setOutboundPolicy(
  dependencies: PolicyDependencies,
  actor: Actor,
  value: OutboundPolicy,
  ifMatch: number | undefined,
): Promise<OutboundPolicyView> {
  checkPolicy(value);
  const { networks, plainHttp, authorities } = value;
  const details = { networks, plainHttp, authorities: certificatesOf(authorities).length };
  return changePolicy(dependencies, actor, OUTBOUND, { value, ifMatch, details });
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
