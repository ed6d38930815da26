/**
 * What kind of address an address is: nobody's guess from a text, but its bits against the registries of IANA (special-purpose
 * addresses of IPv4 and IPv6, RFC 6890), and the places where clouds answer with credentials.
 *
 * Addresses of IPv6 that stand for one of IPv4 (mapped, compatible, NAT64, 6to4) count as that one.
 *
 * @module
 */
import { isIP } from "node:net";

export type AddressKind =
  | "public"
  | "private"
  | "loopback"
  | "link-local"
  | "metadata"
  | "multicast"
  | "unspecified"
  | "reserved";

/** An address of IPv4 has 32 bits, one of IPv6 128. */
export interface Address {
  readonly length: 32 | 128;
  readonly bits: bigint;
}

export interface Network extends Address {
  /** How many of the first bits it fixes. */
  readonly prefix: number;
}

export interface Range extends Network {
  readonly kind: Exclude<AddressKind, "public">;
}

/** Narrow ones first: the first that contains an address says what it is. */
const RANGES: readonly Range[] = [
  ranges(
    "metadata",
    "169.254.169.254/32 169.254.170.2/32 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32",
  ),
  ranges("metadata", "fd00:ec2::254/128 fd20:ce::254/128"),
  ranges("unspecified", "0.0.0.0/8 ::/128"),
  ranges("loopback", "127.0.0.0/8 ::1/128"),
  ranges("link-local", "169.254.0.0/16 fe80::/10"),
  ranges("private", "10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
  ranges("multicast", "224.0.0.0/4 ff00::/8"),
  ranges("reserved", "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"),
  ranges("reserved", "240.0.0.0/4 2001::/23 2001:db8::/32 3fff::/20"),
].flat();

/** All that was ever given out for the Internet (RFC 4291, section 2.4); the rest is reserved. */
const GLOBAL_IPV6 = networkOf("2000::/3");

/** Prefixes of IPv6 with an address of IPv4 behind so many bits. */
const EMBEDDING = [
  { network: networkOf("::ffff:0:0/96"), after: 96 },
  { network: networkOf("64:ff9b::/96"), after: 96 },
  { network: networkOf("2002::/16"), after: 16 },
  { network: networkOf("::/96"), after: 96 },
] as const;

/** The bits of an address in its text form, without brackets; undefined for anything else. A zone (`%eth0`) is left out. */
export function parseAddress(text: string): Address | undefined {
  const [address = ""] = text.split("%", 1);
  const family = isIP(address);
  if (family === 0) return undefined;
  return plain(
    family === 4 ? { length: 32, bits: bitsOfIpv4(address) } : { length: 128, bits: bitsOfIpv6(address) },
  );
}

/** An address, or one with a prefix length: `10.0.0.0/8`. Undefined unless it is one, with no bit set behind the prefix. */
export function parseNetwork(text: string): Network | undefined {
  const [, start = "", digits] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/iu.exec(text) ?? [];
  const family = isIP(start);
  if (family === 0) return undefined;
  const whole: Address =
    family === 4 ? { length: 32, bits: bitsOfIpv4(start) } : { length: 128, bits: bitsOfIpv6(start) };
  const prefix = digits === undefined ? whole.length : Number(digits);
  if (prefix > whole.length) return undefined;
  const rest = (1n << BigInt(whole.length - prefix)) - 1n;
  return (whole.bits & rest) === 0n ? { ...whole, prefix } : undefined;
}

export function contains(network: Network, inner: Address & { readonly prefix?: number }): boolean {
  if (network.length !== inner.length || (inner.prefix ?? inner.length) < network.prefix) return false;
  const shift = BigInt(network.length - network.prefix);
  return network.bits >> shift === inner.bits >> shift;
}

/** The range of special addresses that this one is in; undefined: a public address. */
export function rangeOf(address: Address): Range | undefined {
  const range = RANGES.find((one) => contains(one, address));
  if (range !== undefined || address.length === 32 || contains(GLOBAL_IPV6, address)) return range;
  return { ...networkOf("::/0"), kind: "reserved" };
}

export function kindOf(address: Address): AddressKind {
  return rangeOf(address)?.kind ?? "public";
}

/** The special range that a whole network lies in. */
export function rangeAround(network: Network): Range | undefined {
  return RANGES.find((range) => contains(range, network));
}

/** The address of IPv4 that one of IPv6 stands for. */
function plain(address: Address): Address {
  if (address.length === 32 || address.bits < 2n) return address;
  const found = EMBEDDING.find(({ network }) => contains(network, address));
  if (found === undefined) return address;
  return { length: 32, bits: (address.bits >> BigInt(96 - found.after)) & 0xffff_ffffn };
}

function ranges(kind: Range["kind"], texts: string): Range[] {
  return texts.split(" ").map((text) => ({ ...networkOf(text), kind }));
}

function networkOf(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined) throw new TypeError(`${text} is no network`);
  return network;
}

function bitsOfIpv4(text: string): bigint {
  return text.split(".").reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function bitsOfIpv6(text: string): bigint {
  const dotted = /(\d+\.\d+\.\d+\.\d+)$/u.exec(text)?.[1];
  let hexadecimal = text;
  if (dotted !== undefined) {
    const bits = bitsOfIpv4(dotted);
    hexadecimal = `${text.slice(0, -dotted.length)}${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
  }
  const [head = "", tail] = hexadecimal.split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return [...before, ...zeros, ...after].reduce((bits, group) => (bits << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] {
  return text === "" ? [] : text.split(":").map((group) => BigInt(`0x${group}`));
}
