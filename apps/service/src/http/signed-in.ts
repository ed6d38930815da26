import assert from "node:assert/strict";
import type { Actor } from "./route.ts";

/** The actor of a route that is not `public`: the server let nobody else through. */
export function signedIn(actor: Actor | undefined): Actor {
  assert(actor !== undefined, "a route without an actor is public");
  return actor;
}
