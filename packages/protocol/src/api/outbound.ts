/**
 * Over the API: whom the service itself may call.
 *
 * @module
 */
import { z } from "zod";
import { count, instant, line } from "../values.ts";

export const outboundPolicy = z.object({
  /**
   * Networks that are not public and may be called nevertheless: an address or a network such as `10.1.0.0/16`. Each lies within one
   * kind of special addresses (private, loopback, link-local, ...), so that no wide entry opens more than it seems to.
   */
  networks: z.array(z.string().min(1).max(50)).max(200),
  /** Names or addresses of hosts that may be called by `http://`: what is said there can be read and changed on the way. */
  plainHttp: z.array(line(253).min(1)).max(50),
  /** Certificates in PEM of authorities that are trusted besides those that come with the program. */
  authorities: z.string().max(64 * 1024),
});
export type OutboundPolicy = z.infer<typeof outboundPolicy>;

export const outboundPolicyView = outboundPolicy.extend({
  changedAt: instant.nullable(),
  changedBy: z.string().nullable(),
  revision: count,
});
export type OutboundPolicyView = z.infer<typeof outboundPolicyView>;
