// Set-up, sign-in and users over HTTP.
import {
  newUser,
  pageOf,
  passwordReset,
  session,
  setupRequest,
  setupState,
  signInRequest,
  user,
  userChange,
  userId,
  userQuery,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { accountRoutes } from "./account-routes.ts";
import type { Outbound } from "../outbound/outbound.ts";
import type { UserDependencies } from "./dependencies.ts";
import { invitationRoutes } from "./invitation-routes.ts";
import { passkeyRoutes } from "./passkey-routes.ts";
import { removeSecondFactor } from "./second-factor.ts";
import { sessionListRoutes } from "./session-routes.ts";
import { showSession } from "./sessions.ts";
import { setUp } from "./setup.ts";
import { createIssuers } from "./single-sign-on/issuer.ts";
import { singleSignOnRoutes } from "./single-sign-on/routes.ts";
import { inSession, signIn, signOut } from "./sign-in.ts";
import { findUser, rightsOf, showUser } from "./user-rows.ts";
import { hasAdministrator } from "./ways-in.ts";
import { tokenHash } from "./tokens.ts";
import { changeUser, createUser, listUsers, resetPassword } from "./users.ts";

const byId = z.object({ id: userId });

export interface UserRouteDependencies extends UserDependencies {
  /** To providers of single sign-on. */
  readonly outbound: Pick<Outbound, "fetch">;
}

export function userRoutes(dependencies: UserRouteDependencies): AnyRoute[] {
  return [
    ...singleSignOnRoutes({ ...dependencies, issuers: createIssuers(dependencies) }),
    ...setupRoutes(dependencies),
    ...sessionRoutes(dependencies),
    ...passkeyRoutes(dependencies),
    ...accountRoutes(dependencies),
    ...sessionListRoutes(dependencies),
    ...invitationRoutes(dependencies),
    ...peopleRoutes(dependencies),
    ...helpRoutes(dependencies),
  ];
}

function setupRoutes(dependencies: UserDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/setup",
      operation: "readSetup",
      summary: "Whether the first administrator is still to be made",
      tag: "session",
      right: "public",
      answer: setupState,
      handle: async () => ({ needed: !(await hasAdministrator(db)) }),
    }),
    route({
      method: "POST",
      path: "/setup",
      operation: "setUp",
      summary: "Make the first administrator, and sign in",
      tag: "session",
      right: "public",
      body: setupRequest,
      answer: session,
      status: 201,
      handle: async ({ body, setSession, ...visitor }) => {
        const { userId: id, token } = await setUp(dependencies, body, visitor);
        setSession(token);
        const made = await findUser(db, id);
        return showSession(db, made, await rightsOf(db, made), tokenHash(token));
      },
    }),
  ];
}

function sessionRoutes(dependencies: UserDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "session";
  return [
    route({
      method: "POST",
      path: "/session",
      operation: "signIn",
      summary: "Sign in",
      tag,
      right: "public",
      body: signInRequest,
      answer: session,
      status: 201,
      handle: async ({ body, setSession, ...visitor }) => {
        const { token, session: view } = await signIn(dependencies, body, visitor);
        setSession(token);
        return view;
      },
    }),
    route({
      method: "GET",
      path: "/session",
      operation: "readSession",
      summary: "Who is signed in, with which rights",
      tag,
      right: "signed-in",
      answer: session,
      handle: async ({ actor }) => {
        const { userId: id, name, role, rights, sessionId } = signedIn(actor);
        return showSession(db, { id, name, role }, rights, sessionId);
      },
    }),
    route({
      method: "DELETE",
      path: "/session",
      operation: "signOut",
      summary: "Sign out",
      tag,
      right: "signed-in",
      handle: async ({ actor, setSession }) => {
        await signOut(dependencies, inSession(actor));
        setSession(undefined);
      },
    }),
  ];
}

function peopleRoutes(dependencies: UserDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "users";
  return [
    route({
      method: "GET",
      path: "/users",
      operation: "listUsers",
      summary: "Users, by name",
      tag,
      right: "users.read",
      query: userQuery,
      answer: pageOf(user),
      handle: ({ query }) => listUsers(db, query),
    }),
    route({
      method: "POST",
      path: "/users",
      operation: "createUser",
      summary: "Add a user",
      tag,
      right: "users.edit",
      body: newUser,
      answer: user,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createUser(dependencies, signedIn(actor), body),
    }),
    route({
      method: "GET",
      path: "/users/:id",
      operation: "readUser",
      summary: "One user",
      tag,
      right: "users.read",
      params: byId,
      answer: user,
      handle: async ({ params }) => showUser(db, await findUser(db, params.id)),
    }),
    route({
      method: "PATCH",
      path: "/users/:id",
      operation: "changeUser",
      summary: "Change a user's role, rights, or whether they can sign in",
      tag,
      right: "users.edit",
      params: byId,
      body: userChange,
      answer: user,
      edits: true,
      handle: ({ actor, params, body, ifMatch }) =>
        changeUser(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
  ];
}

/** For those who have forgotten or lost something. */
function helpRoutes(dependencies: UserDependencies): AnyRoute[] {
  const tag = "users";
  return [
    route({
      method: "POST",
      path: "/users/:id/password",
      operation: "resetPassword",
      summary: "Set a new password for somebody; ends their sessions",
      tag,
      right: "users.edit",
      params: byId,
      body: passwordReset,
      handle: ({ actor, params, body }) => resetPassword(dependencies, signedIn(actor), params.id, body),
    }),
    route({
      method: "DELETE",
      path: "/users/:id/second-factor",
      operation: "resetSecondFactor",
      summary: "Remove the second factor of somebody who has lost the app",
      tag,
      right: "users.edit",
      params: byId,
      handle: ({ actor, params }) => removeSecondFactor(dependencies, inSession(actor), params.id),
    }),
  ];
}
