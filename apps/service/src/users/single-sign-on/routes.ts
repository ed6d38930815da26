// Single sign-on over HTTP: for those who sign in, and for those who are signed in.
import {
  confirmationStart,
  identityList,
  identityProviderId,
  linkStart,
  signInProviders,
  singleSignOnCallback,
  singleSignOnResult,
  singleSignOnStart,
  singleSignOnUrl,
  userId,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, type Call, route } from "../../http/route.ts";
import { signedIn } from "../../http/signed-in.ts";
import { requireOwnPassword } from "../own-password.ts";
import { inSession } from "../sign-in.ts";
import { finishFlow } from "./callback.ts";
import { startConfirmation } from "./confirmation.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import { type Flow, startFlow } from "./flows.ts";
import { listIdentities, removeIdentity } from "./identities.ts";
import { findEnabledProvider } from "./provider-rows.ts";
import { providerRoutes } from "./provider-routes.ts";

export function singleSignOnRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  return [
    ...signInRoutes(dependencies),
    ...accountRoutes(dependencies),
    ...peopleRoutes(dependencies),
    ...providerRoutes(dependencies),
  ];
}

async function start(
  dependencies: SingleSignOnDependencies,
  { setBrowserToken }: Pick<Call<unknown, unknown, unknown>, "setBrowserToken">,
  flow: Flow,
): Promise<{ url: string }> {
  const { url, browserToken } = await startFlow(dependencies, flow);
  setBrowserToken(browserToken);
  return { url };
}

function signInRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "session";
  return [
    route({
      method: "GET",
      path: "/session/single-sign-on",
      operation: "listSignInProviders",
      summary: "Providers that one can sign in by",
      tag,
      right: "public",
      answer: signInProviders,
      handle: async () => ({
        items: await db
          .selectFrom("identity_providers")
          .select(["id", "name"])
          .where("enabled", "=", 1)
          .orderBy("name")
          .execute(),
      }),
    }),
    route({
      method: "POST",
      path: "/session/single-sign-on",
      operation: "startSingleSignOn",
      summary: "Begin to sign in by a provider: answers where the browser goes",
      tag,
      right: "public",
      body: singleSignOnStart,
      answer: singleSignOnUrl,
      handle: async ({ body, ...call }) => {
        const provider = await findEnabledProvider(db, body.provider);
        return start(dependencies, call, { provider, purpose: "sign-in", sessionId: null, host: call.host });
      },
    }),
    route({
      method: "POST",
      path: "/session/single-sign-on/callback",
      operation: "finishSingleSignOn",
      summary: "The browser is back from a provider: sign in, link or confirm, as was begun",
      tag,
      right: "public",
      body: singleSignOnCallback,
      answer: singleSignOnResult,
      handle: async ({ body, browserToken, setBrowserToken, setSession, ...visitor }) => {
        const { result, token } = await finishFlow(dependencies, body.query, browserToken, visitor);
        setBrowserToken(undefined);
        if (token !== undefined) setSession(token);
        return result;
      },
    }),
  ];
}

function accountRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "account";
  return [
    route({
      method: "POST",
      path: "/session/confirmation",
      operation: "startConfirmation",
      summary:
        "Begin to prove who one is by signing in at the provider again, of somebody who has no password",
      tag,
      right: "signed-in",
      body: confirmationStart,
      answer: singleSignOnUrl,
      handle: async ({ actor, body, ...call }) => {
        const flow = await startConfirmation(db, inSession(actor), body.provider, call.host);
        return start(dependencies, call, flow);
      },
    }),
    route({
      method: "GET",
      path: "/identities",
      operation: "listIdentities",
      summary: "Accounts at providers that sign in as oneself",
      tag,
      right: "signed-in",
      answer: identityList,
      handle: async ({ actor }) => ({ items: await listIdentities(db, signedIn(actor).userId) }),
    }),
    route({
      method: "POST",
      path: "/identities",
      operation: "linkIdentity",
      summary: "Begin to link an account at a provider with oneself: answers where the browser goes",
      tag,
      right: "signed-in",
      body: linkStart,
      answer: singleSignOnUrl,
      handle: async ({ actor, body, ...call }) => {
        const who = inSession(actor);
        const provider = await findEnabledProvider(db, body.provider);
        await requireOwnPassword(dependencies, who, body.password, "user.identity");
        return start(dependencies, call, {
          provider,
          purpose: "link",
          sessionId: who.sessionId,
          host: call.host,
        });
      },
    }),
    route({
      method: "DELETE",
      path: "/identities/:provider",
      operation: "unlinkIdentity",
      summary: "Remove the link with an account at a provider",
      tag,
      right: "signed-in",
      params: z.object({ provider: identityProviderId }),
      handle: ({ actor, params }) => {
        const who = inSession(actor);
        return removeIdentity(dependencies, who, who.userId, params.provider);
      },
    }),
  ];
}

function peopleRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  const tag = "users";
  return [
    route({
      method: "GET",
      path: "/users/:id/identities",
      operation: "listUserIdentities",
      summary: "Accounts at providers that sign in as a user",
      tag,
      right: "users.read",
      params: z.object({ id: userId }),
      answer: identityList,
      handle: async ({ params }) => ({ items: await listIdentities(db, params.id) }),
    }),
    route({
      method: "DELETE",
      path: "/users/:id/identities/:provider",
      operation: "removeUserIdentity",
      summary: "Remove the link of a user with an account at a provider",
      tag,
      right: "users.edit",
      params: z.object({ id: userId, provider: identityProviderId }),
      handle: ({ actor, params }) =>
        removeIdentity(dependencies, signedIn(actor), params.id, params.provider),
    }),
  ];
}
