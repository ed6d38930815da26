// Sessions over HTTP: one's own, and for administrators those of others.
import { sessionId, sessionList, userId } from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { UserDependencies } from "./dependencies.ts";
import { endAllSessions, endSession, listSessions } from "./session-list.ts";
import { inSession } from "./sign-in.ts";

const byUser = z.object({ id: userId });

export function sessionListRoutes(dependencies: UserDependencies): AnyRoute[] {
  return [...ownRoutes(dependencies), ...peopleRoutes(dependencies)];
}

function ownRoutes(dependencies: UserDependencies): AnyRoute[] {
  const tag = "account";
  return [
    route({
      method: "GET",
      path: "/sessions",
      operation: "listSessions",
      summary: "Where one is signed in, the last used first",
      tag,
      right: "signed-in",
      answer: sessionList,
      handle: async ({ actor }) => {
        const { userId: id, sessionId: current } = signedIn(actor);
        return { items: await listSessions(dependencies, id, current) };
      },
    }),
    route({
      method: "DELETE",
      path: "/sessions/:id",
      operation: "endSession",
      summary: "End one of one's own sessions",
      tag,
      right: "signed-in",
      params: z.object({ id: sessionId }),
      handle: ({ actor, params }) => {
        const who = inSession(actor);
        return endSession(dependencies, who, who.userId, params.id);
      },
    }),
    route({
      method: "DELETE",
      path: "/sessions",
      operation: "endOtherSessions",
      summary: "End all of one's own sessions but this one",
      tag,
      right: "signed-in",
      handle: ({ actor }) => {
        const who = inSession(actor);
        return endAllSessions(dependencies, who, who.userId);
      },
    }),
  ];
}

function peopleRoutes(dependencies: UserDependencies): AnyRoute[] {
  const tag = "users";
  return [
    route({
      method: "GET",
      path: "/users/:id/sessions",
      operation: "listUserSessions",
      summary: "Where a user is signed in",
      tag,
      right: "users.read",
      params: byUser,
      answer: sessionList,
      handle: async ({ actor, params }) => ({
        items: await listSessions(dependencies, params.id, signedIn(actor).sessionId),
      }),
    }),
    route({
      method: "DELETE",
      path: "/users/:id/sessions/:session",
      operation: "endUserSession",
      summary: "End one session of a user",
      tag,
      right: "users.edit",
      params: z.object({ id: userId, session: sessionId }),
      handle: ({ actor, params }) => endSession(dependencies, signedIn(actor), params.id, params.session),
    }),
    route({
      method: "DELETE",
      path: "/users/:id/sessions",
      operation: "endUserSessions",
      summary: "End all sessions of a user, but not the one that asks for it",
      tag,
      right: "users.edit",
      params: byUser,
      handle: ({ actor, params }) => endAllSessions(dependencies, signedIn(actor), params.id),
    }),
  ];
}
