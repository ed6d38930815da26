/**
 * Who gets in: before a body is read, a request has to be below the limits, from no other site, signed in, and allowed.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { FastifyRequest } from "fastify";
import type { Right } from "../users/rights.ts";
import { type Authentication, type Credential, credentialOf, signInNeeded } from "./credentials.ts";
import { refuseCrossSite } from "./cross-site.ts";
import { networkOf } from "./rate-limit.ts";
import type { Actor, AnyRoute } from "./route.ts";

export interface Admission {
  readonly actor: Actor | undefined;
  readonly credential: Credential | undefined;
}

export interface Gate {
  readonly authentication: Authentication;
  /** Each counts a request. @throws AppError `ERR_TOO_MANY_ATTEMPTS`. */
  readonly limitAddress: (network: string) => void;
  readonly limitUser: (userId: string) => void;
}

/**
 * @throws AppError `ERR_TOO_MANY_ATTEMPTS`, `ERR_CROSS_SITE`, `ERR_MEDIA_TYPE`, `ERR_SIGN_IN_NEEDED`, `ERR_FORBIDDEN` naming
 * the right.
 */
export async function admit(
  gate: Gate,
  right: AnyRoute["right"],
  request: FastifyRequest,
): Promise<Admission> {
  gate.limitAddress(networkOf(request.ip));
  if (right === "public") {
    refuseCrossSite(request.method, request.headers);
    return { actor: undefined, credential: undefined };
  }
  const credential = credentialOf(request);
  if (credential?.kind !== "token") refuseCrossSite(request.method, request.headers);
  if (credential === undefined) throw signInNeeded();
  const actor = await gate.authentication.actorOf(credential, request.ip, true);
  if (actor === undefined) throw signInNeeded();
  gate.limitUser(actor.userId);
  if (right !== "signed-in" && !actor.rights.has(right)) throw forbidden(right);
  return { actor, credential };
}

/** Whether somebody who was let in would still be; for what lasts longer than a request. */
export async function isStillAdmitted(
  { authentication }: Pick<Gate, "authentication">,
  right: AnyRoute["right"],
  { credential }: Admission,
  address: string,
): Promise<boolean> {
  if (right === "public") return true;
  if (credential === undefined) return false;
  const actor = await authentication.actorOf(credential, address, false);
  return actor !== undefined && (right === "signed-in" || actor.rights.has(right));
}

export function forbidden(right: Right): AppError {
  return new AppError("ERR_FORBIDDEN", `This needs the right ${right}.`, {
    subject: right,
    remedy: "Ask an administrator for it, or sign in as somebody who has it.",
  });
}
