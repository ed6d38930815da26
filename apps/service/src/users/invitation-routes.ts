// Invitations over HTTP.
import { invitation, invitationAcceptance, newInvitation, session, userId } from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { UserDependencies } from "./dependencies.ts";
import { acceptInvitation, inviteUser, renewInvitation, withdrawInvitation } from "./invitations.ts";

const byId = z.object({ id: userId });

export function invitationRoutes(dependencies: UserDependencies): AnyRoute[] {
  const tag = "users";
  return [
    acceptRoute(dependencies),
    route({
      method: "POST",
      path: "/users/invitations",
      operation: "inviteUser",
      summary:
        "Add a user who chooses the password with a link, `/invitation#TOKEN`; the token is shown once",
      tag,
      right: "users.edit",
      body: newInvitation,
      answer: invitation,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => inviteUser(dependencies, signedIn(actor), body),
    }),
    route({
      method: "POST",
      path: "/users/:id/invitation",
      operation: "renewInvitation",
      summary: "A new link for a user who has no password; ends the old one",
      tag,
      right: "users.edit",
      params: byId,
      answer: invitation,
      status: 201,
      creates: true,
      handle: ({ actor, params }) => renewInvitation(dependencies, signedIn(actor), params.id),
    }),
    route({
      method: "DELETE",
      path: "/users/:id/invitation",
      operation: "withdrawInvitation",
      summary: "Make the link of an invitation worthless",
      tag,
      right: "users.edit",
      params: byId,
      handle: ({ actor, params }) => withdrawInvitation(dependencies, signedIn(actor), params.id),
    }),
  ];
}

function acceptRoute(dependencies: UserDependencies): AnyRoute {
  return route({
    method: "POST",
    path: "/session/invitation",
    operation: "acceptInvitation",
    summary: "Choose the first password with the token of an invitation, and sign in",
    tag: "session",
    right: "public",
    body: invitationAcceptance,
    answer: session,
    status: 201,
    handle: async ({ body, setSession, ...visitor }) => {
      const { token, session: view } = await acceptInvitation(dependencies, body, visitor);
      setSession(token);
      return view;
    },
  });
}
