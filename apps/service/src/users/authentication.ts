/**
 * Who a credential belongs to.
 *
 * @module
 */
import type { Authentication } from "../http/credentials.ts";
import type { UserDependencies } from "./dependencies.ts";
import { actorOfSession } from "./sessions.ts";

export function createAuthentication(
  dependencies: Pick<UserDependencies, "database" | "clock">,
): Authentication {
  return {
    actorOf: async ({ kind, token }, address) =>
      kind === "session" ? actorOfSession(dependencies, token, address) : undefined,
  };
}
