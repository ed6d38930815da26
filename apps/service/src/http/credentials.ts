/**
 * Who a request says it is.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { FastifyRequest } from "fastify";
import type { Actor } from "./route.ts";

export const SESSION_COOKIE = "__Host-holdfast";
/** While the browser is at a provider of single sign-on. */
export const BROWSER_COOKIE = "__Host-holdfast-sign-in";

export interface Credential {
  readonly kind: "session" | "token";
  readonly token: string;
}

/** Given by the users' domain. */
export interface Authentication {
  /**
   * Undefined when the credential is unknown, has ended, or its user is disabled.
   *
   * @param used whether this is use by a person, which keeps a session alive.
   */
  readonly actorOf: (credential: Credential, address: string, used: boolean) => Promise<Actor | undefined>;
}

/** Tokens are base64url; what is longer or has other characters is nobody's. */
const TOKEN = /^[A-Za-z0-9_-]{1,200}$/u;

/** A token in `Authorization` comes before the cookie. @throws AppError `ERR_SIGN_IN_NEEDED` for another scheme. */
export function credentialOf(request: FastifyRequest): Credential | undefined {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const token = /^Bearer +(\S+)$/iu.exec(authorization)?.[1];
    if (token === undefined || !TOKEN.test(token)) throw signInNeeded();
    return { kind: "token", token };
  }
  const cookie = request.cookies[SESSION_COOKIE];
  return cookie === undefined || !TOKEN.test(cookie) ? undefined : { kind: "session", token: cookie };
}

export function browserTokenOf({ cookies }: FastifyRequest): string | undefined {
  const token = cookies[BROWSER_COOKIE];
  return token === undefined || !TOKEN.test(token) ? undefined : token;
}

export function signInNeeded(): AppError {
  return new AppError("ERR_SIGN_IN_NEEDED", "Nobody is signed in.", {
    remedy: "Sign in, or send an API token that is valid.",
  });
}
