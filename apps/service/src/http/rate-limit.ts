/**
 * How often one address or user may ask: a token bucket each, in the memory of this process.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { RetryLaterError } from "./problems.ts";

export interface RateLimit {
  /** So many at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Buckets kept; beyond, those are forgotten that were used least lately: full ones at the rates of people. */
const BUCKETS_MAX = 20_000;

interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/** Returns a function that counts one request of a subject. It throws `ERR_TOO_MANY_ATTEMPTS`. */
export function createRateLimit(
  clock: Pick<Clock, "monotonic">,
  limit: RateLimit,
): (subject: string) => void {
  const buckets = new Map<string, Bucket>();
  return (subject) => {
    const now = clock.monotonic();
    const { tokens, at } = buckets.get(subject) ?? { tokens: limit.burst, at: now };
    const filled = Math.min(limit.burst, tokens + ((now - at) / 1000) * limit.perSecond);
    if (filled < 1) {
      throw new RetryLaterError(
        "ERR_TOO_MANY_ATTEMPTS",
        "Too many requests in a short time.",
        ((1 - filled) / limit.perSecond) * 1000,
      );
    }
    // To the end of the order of insertion.
    buckets.delete(subject);
    buckets.set(subject, { tokens: filled - 1, at: now });
    if (buckets.size > BUCKETS_MAX) buckets.delete(buckets.keys().next().value ?? "");
  };
}

/** Of an address: IPv6 by its /64, which one subscriber has whole; IPv4 in IPv6 as IPv4. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/iu.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%")[0]?.toLowerCase().split("::") ?? [];
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array.from({ length: zeros }, () => "0"), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/u, ""))
    .join(":")}::/64`;
}
