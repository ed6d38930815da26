/**
 * Renews the device's certificate when a third of its time is left (docs/protocol.md, section 2).
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { AppError, type Clock, toErrorRecord } from "@holdfast/kernel";
import type { AgentLog } from "../agent-log.ts";
import type { Channel } from "../connection/channel.ts";
import { isAborted } from "../is-aborted.ts";
import type { StateFolder } from "../state/state-folder.ts";
import { certificateRequest, matchesKey, newDeviceKey } from "./certificate-request.ts";
import { certificateTimes, type Identity, writeIdentity } from "./identity.ts";

/** Also after a failure. */
const LOOK_MS = 3_600_000;

export interface RenewalPorts {
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly channel: Pick<Channel, "requestRenewal">;
  readonly folder: StateFolder;
  readonly identity: () => Identity;
  /** The next connection uses it. */
  readonly onRenewed: (identity: Identity) => void;
}

/** Runs until the signal is aborted. */
export async function keepRenewed(ports: RenewalPorts, signal: AbortSignal): Promise<void> {
  const { clock, log, identity } = ports;
  while (!isAborted(signal)) {
    const dueMs = renewalTime(identity());
    if (clock.now() < dueMs) {
      await clock.sleep(Math.min(LOOK_MS, dueMs - clock.now()), signal).catch(() => undefined);
      continue;
    }
    try {
      await renew(ports, signal);
      log("info", "The device's certificate was renewed.");
    } catch (error) {
      if (isAborted(signal)) return;
      log("warning", `The device's certificate could not be renewed: ${toErrorRecord(error).message}`);
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** When two thirds of the certificate's time are over. */
export function renewalTime(identity: Pick<Identity, "certificate">): number {
  const { fromMs, untilMs } = certificateTimes(identity);
  return fromMs + ((untilMs - fromMs) * 2) / 3;
}

/** The old certificate stays valid until the service has seen the new one, so a kill in between costs nothing. */
async function renew(
  { channel, folder, identity, onRenewed }: RenewalPorts,
  signal: AbortSignal,
): Promise<void> {
  const privateKey = newDeviceKey();
  const request = {
    kind: "renew",
    certificateRequest: certificateRequest(privateKey).toString("base64"),
  } as const;
  const { answer } = await channel.requestRenewal(request, signal);
  const { certificate } = answer;
  checkRenewed(certificate, privateKey, identity().authority);
  const renewed = { ...identity(), certificate, privateKey };
  await writeIdentity(folder, renewed);
  onRenewed(renewed);
}

function checkRenewed(certificate: string, privateKey: string, authority: string): void {
  try {
    const own = new X509Certificate(certificate);
    if (matchesKey(own, privateKey) && own.verify(new X509Certificate(authority).publicKey)) return;
  } catch {
    // Neither is what it should be.
  }
  throw new AppError("ERR_PROTOCOL", "The service sent something that is no certificate for this device.", {
    remedy: "Use an agent and a service of the same version.",
  });
}
