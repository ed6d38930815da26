// What people do with their own account, over HTTP.
import {
  apiTokenId,
  apiTokenList,
  createdApiToken,
  newApiToken,
  nameChange,
  passwordChange,
  passwordConfirmation,
  secondFactor,
  secondFactorCode,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { createApiToken, deleteApiToken, listApiTokens } from "./api-tokens.ts";
import type { UserDependencies } from "./dependencies.ts";
import { requireOwnPassword } from "./own-password.ts";
import { confirmWithinLimits, prepareSecondFactor, removeSecondFactor } from "./second-factor.ts";
import { changeName, changePassword, inSession } from "./sign-in.ts";

const tag = "account";

export function accountRoutes(dependencies: UserDependencies): AnyRoute[] {
  return [
    nameRoute(dependencies),
    passwordRoute(dependencies),
    ...secondFactorRoutes(dependencies),
    ...tokenRoutes(dependencies),
  ];
}

function nameRoute(dependencies: UserDependencies): AnyRoute {
  return route({
    method: "POST",
    path: "/session/name",
    operation: "changeName",
    summary: "Change the name that one signs in with",
    tag,
    right: "signed-in",
    body: nameChange,
    handle: ({ actor, body }) => changeName(dependencies, inSession(actor), body),
  });
}

function passwordRoute(dependencies: UserDependencies): AnyRoute {
  return route({
    method: "POST",
    path: "/session/password",
    operation: "changePassword",
    summary: "Change one's own password; ends one's other sessions",
    tag,
    right: "signed-in",
    body: passwordChange,
    handle: ({ actor, body }) => changePassword(dependencies, inSession(actor), body),
  });
}

function secondFactorRoutes(dependencies: UserDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/session/second-factor",
      operation: "prepareSecondFactor",
      summary: "Make a secret for an authenticator app",
      tag,
      right: "signed-in",
      body: passwordConfirmation,
      answer: secondFactor,
      status: 201,
      handle: async ({ actor, body }) => {
        await requireOwnPassword(dependencies, inSession(actor), body.password, "user.second-factor");
        return prepareSecondFactor(dependencies, inSession(actor));
      },
    }),
    route({
      method: "POST",
      path: "/session/second-factor/confirm",
      operation: "confirmSecondFactor",
      summary: "Prove that the app has the secret; from then on signing in needs its codes",
      tag,
      right: "signed-in",
      body: secondFactorCode,
      handle: ({ actor, body }) => confirmWithinLimits(dependencies, inSession(actor), body.code),
    }),
    route({
      method: "POST",
      path: "/session/second-factor/remove",
      operation: "removeSecondFactor",
      summary: "Sign in without a second factor again",
      tag,
      right: "signed-in",
      body: passwordConfirmation,
      handle: async ({ actor, body }) => {
        const { userId } = inSession(actor);
        await requireOwnPassword(dependencies, inSession(actor), body.password, "user.second-factor-removed");
        await removeSecondFactor(dependencies, inSession(actor), userId);
      },
    }),
  ];
}

function tokenRoutes(dependencies: UserDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/tokens",
      operation: "listApiTokens",
      summary: "One's own API tokens, the newest first",
      tag,
      right: "signed-in",
      answer: apiTokenList,
      handle: async ({ actor }) => ({ items: await listApiTokens(db, signedIn(actor).userId) }),
    }),
    route({
      method: "POST",
      path: "/tokens",
      operation: "createApiToken",
      summary: "Make an API token; it is shown once",
      tag,
      right: "signed-in",
      body: newApiToken,
      answer: createdApiToken,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createApiToken(dependencies, inSession(actor), body),
    }),
    route({
      method: "DELETE",
      path: "/tokens/:id",
      operation: "deleteApiToken",
      summary: "Delete one of one's own API tokens",
      tag,
      right: "signed-in",
      params: z.object({ id: apiTokenId }),
      handle: ({ actor, params }) => deleteApiToken(dependencies, inSession(actor), params.id),
    }),
  ];
}
