/** A service that gives every lease it is asked for. */
import { sealToPublicKey } from "@holdfast/crypto";
import { type Clock, newId } from "@holdfast/kernel";
import { leaseContext, type LeasePayload } from "@holdfast/protocol";
import type { LeasePorts } from "../src/lease/run-leases.ts";

export const LEASE_MS = 900_000;
export const DEVICE = newId("dev");

/** The channel as far as leases need it; keeps what was given. */
export function fakeChannel(
  payload: () => LeasePayload,
  clock: Pick<Clock, "monotonic" | "now">,
): { readonly channel: LeasePorts["channel"]; readonly given: { lease: string; until: number }[] } {
  const given: { lease: string; until: number }[] = [];
  const requestLease: LeasePorts["channel"]["requestLease"] = (asked) => {
    const lease = { lease: newId("lease"), until: clock.now() + LEASE_MS };
    given.push(lease);
    const context = leaseContext({ device: DEVICE, run: asked.run, ...lease });
    const plaintext = Buffer.from(JSON.stringify(payload()));
    const sealed = sealToPublicKey(Buffer.from(asked.publicKey, "base64"), context, plaintext);
    const welcome = { type: "welcome", device: DEVICE, heartbeatMs: 15_000, leaseMs: LEASE_MS } as const;
    const answer = { kind: "lease", ...lease, sealed: sealed.toString("base64") } as const;
    return Promise.resolve({ answer, sentMs: clock.monotonic(), welcome });
  };
  return { channel: { requestLease }, given };
}
