/**
 * Under which names browsers reach the service, for the certificate that they get.
 *
 * @module
 */
import { isIP } from "node:net";
import type { ServerNames } from "./certificates.ts";

const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/iu;
/** Addresses to listen on that are nobody's own. */
const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** @param hosts the machine's name, the host of `--listen`, and others; what is neither name nor address is left out. */
export function browserNames(hosts: readonly string[]): ServerNames {
  const dns = new Set<string>();
  const addresses = new Set<string>();
  for (const host of [...hosts, "localhost", "127.0.0.1", "::1"]) {
    const bare = host.replace(/^\[(.*)\]$/u, "$1");
    if (isIP(bare) !== 0) {
      if (!UNSPECIFIED.has(bare)) addresses.add(bare);
    } else if (DNS_NAME.test(bare)) dns.add(bare.toLowerCase());
  }
  return { dns: [...dns], addresses: [...addresses] };
}
