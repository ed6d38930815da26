/**
 * The first step of enrolment: which authority stands behind whoever answers (docs/protocol.md, section 2).
 *
 * @module
 */
import type { X509Certificate } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import { authorityPin } from "@holdfast/protocol";
import { subjectPublicKeyInfo } from "../identity/certificate-request.ts";
import { openUntrustedSocket, type Route } from "./open-socket.ts";

/**
 * Takes the chain of whoever answers, sends nothing, and looks for the authority that the pin is of. Having its certificate proves
 * nothing yet, since it is public: connect again with it as the only trust.
 *
 * @returns PEM.
 * @throws AppError `ERR_SERVICE_UNTRUSTED` when it is not in the chain, `ERR_SERVICE_UNREACHABLE`, `ERR_CANCELLED`.
 */
export async function pinnedAuthority(route: Route, pin: Buffer, signal: AbortSignal): Promise<string> {
  const socket = await openUntrustedSocket(route, signal);
  socket.on("error", () => undefined);
  const chain = chainOf(socket.getPeerX509Certificate());
  socket.destroy();
  const authority = chain.find(({ publicKey }) => authorityPin(subjectPublicKeyInfo(publicKey)).equals(pin));
  if (authority !== undefined) return authority.toString();
  const { origin } = route.service;
  throw new AppError(
    "ERR_SERVICE_UNTRUSTED",
    `Whoever answers at ${origin} is not the service that made the code.`,
    {
      subject: origin,
      remedy: "Check the address. If it is right, somebody may be in between: nothing was sent.",
    },
  );
}

function chainOf(leaf: X509Certificate | undefined): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = leaf;
  while (next !== undefined) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
