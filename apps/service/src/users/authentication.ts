/**
 * Who a credential belongs to.
 *
 * @module
 */
import type { Authentication } from "../http/credentials.ts";
import type { UserDependencies } from "./dependencies.ts";
import { actorOfToken } from "./api-tokens.ts";
import { actorOfSession } from "./sessions.ts";

export function createAuthentication(
  dependencies: Pick<UserDependencies, "database" | "clock">,
): Authentication {
  return {
    actorOf: ({ kind, token }, address, used) =>
      kind === "session"
        ? actorOfSession(dependencies, token, address, used)
        : actorOfToken(dependencies, token, address),
  };
}
