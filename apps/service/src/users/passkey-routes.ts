// Passkeys over HTTP.
import {
  newPasskey,
  passkey,
  passkeyCreationOptions as creationOptions,
  passkeyId,
  passkeyList,
  passkeyOptionsRequest,
  passkeyRequestOptions as requestOptions,
  passkeySignIn,
  session,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { UserDependencies } from "./dependencies.ts";
import { requireOwnPassword } from "./own-password.ts";
import {
  createPasskey,
  deletePasskey,
  listPasskeys,
  passkeyCreationOptions,
  passkeyRequestOptions,
  signInByPasskey,
} from "./passkeys.ts";
import { inSession } from "./sign-in.ts";

export function passkeyRoutes(dependencies: UserDependencies): AnyRoute[] {
  return [...signInRoutes(dependencies), ...ownRoutes(dependencies)];
}

function signInRoutes(dependencies: UserDependencies): AnyRoute[] {
  const tag = "session";
  return [
    route({
      method: "POST",
      path: "/session/passkey/options",
      operation: "passkeySignInOptions",
      summary: "What `navigator.credentials.get` needs to sign in",
      tag,
      right: "public",
      answer: requestOptions,
      handle: ({ host }) => passkeyRequestOptions(dependencies, host),
    }),
    route({
      method: "POST",
      path: "/session/passkey",
      operation: "signInByPasskey",
      summary: "Sign in with a passkey",
      tag,
      right: "public",
      body: passkeySignIn,
      answer: session,
      status: 201,
      handle: async ({ body, setSession, host, ...visitor }) => {
        const { token, session: view } = await signInByPasskey(dependencies, body, visitor, host);
        setSession(token);
        return view;
      },
    }),
  ];
}

function ownRoutes(dependencies: UserDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "account";
  return [
    route({
      method: "GET",
      path: "/passkeys",
      operation: "listPasskeys",
      summary: "One's own passkeys",
      tag,
      right: "signed-in",
      answer: passkeyList,
      handle: async ({ actor }) => ({ items: await listPasskeys(db, signedIn(actor).userId) }),
    }),
    route({
      method: "POST",
      path: "/passkeys/options",
      operation: "passkeyOptions",
      summary: "What `navigator.credentials.create` needs to make a passkey",
      tag,
      right: "signed-in",
      body: passkeyOptionsRequest,
      answer: creationOptions,
      handle: async ({ actor, body, host }) => {
        const who = inSession(actor);
        await requireOwnPassword(dependencies, who, body.password, "user.passkey");
        return passkeyCreationOptions(dependencies, who, host);
      },
    }),
    route({
      method: "POST",
      path: "/passkeys",
      operation: "createPasskey",
      summary: "Keep a passkey that was made",
      tag,
      right: "signed-in",
      body: newPasskey,
      answer: passkey,
      status: 201,
      handle: ({ actor, body, host }) => createPasskey(dependencies, inSession(actor), body, host),
    }),
    route({
      method: "DELETE",
      path: "/passkeys/:id",
      operation: "deletePasskey",
      summary: "Delete one of one's own passkeys",
      tag,
      right: "signed-in",
      params: z.object({ id: passkeyId }),
      handle: ({ actor, params }) => deletePasskey(dependencies, inSession(actor), params.id),
    }),
  ];
}
