/**
 * From the name of a host to the addresses that may be called: the name is looked up once, and what was checked is what is
 * connected to, whatever the name means a moment later.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { AppError } from "@holdfast/kernel";
import type { OutboundPolicy } from "@holdfast/protocol";
import { type AddressKind, kindOf, parseAddress } from "./address.ts";
import { permits } from "./outbound-policy.ts";

/** Addresses of a name as texts. @throws Error of the system. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export const systemResolve: Resolve = async (host) =>
  (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => address);

/**
 * Those addresses of the host that may be called, at least one.
 *
 * @param host without brackets.
 * @throws AppError `ERR_OUTBOUND_REFUSED` when there are none, `ERR_OUTBOUND_FAILED` when the name is not known.
 */
export async function resolvePermitted(
  host: string,
  policy: OutboundPolicy,
  resolve: Resolve,
): Promise<readonly ResolvedAddress[]> {
  const found = isIP(host) === 0 ? await addressesOf(host, resolve) : [host];
  const permitted: ResolvedAddress[] = [];
  let refused: AddressKind = "reserved";
  for (const text of found) {
    const address = parseAddress(text);
    if (address === undefined) continue;
    if (permits(policy, address)) permitted.push({ address: text, family: isIP(text) === 4 ? 4 : 6 });
    else refused = kindOf(address);
  }
  if (permitted.length > 0) return permitted;
  // The address itself is not said: the answer is no means to explore names of the inner network.
  throw new AppError("ERR_OUTBOUND_REFUSED", `${host} is not called: its address is a ${refused} one.`, {
    subject: host,
    remedy:
      "Check the name. If the service is really to call it, let an administrator list its address: PUT /api/v1/policies/outbound.",
  });
}

async function addressesOf(host: string, resolve: Resolve): Promise<readonly string[]> {
  try {
    return await resolve(host);
  } catch (cause) {
    throw new AppError("ERR_OUTBOUND_FAILED", `The name ${host} is not known.`, {
      subject: host,
      remedy: "Check the name, and the name server of the service's machine.",
      cause,
    });
  }
}
