// Providers of single sign-on over HTTP: for administrators.
import {
  identityProvider,
  identityProviderChange,
  identityProviderId,
  identityProviderTest,
  newIdentityProvider,
  pageOf,
  pageQuery,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../../http/route.ts";
import { signedIn } from "../../http/signed-in.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import { findProvider, listProviders, showProvider } from "./provider-rows.ts";
import { changeProvider, createProvider, deleteProvider, testProvider } from "./providers.ts";

const byId = z.object({ id: identityProviderId });
const tag = "single sign-on";

export function providerRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...editRoutes(dependencies)];
}

function readRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/identity-providers",
      operation: "listIdentityProviders",
      summary: "Providers of single sign-on, by name",
      tag,
      right: "users.read",
      query: pageQuery,
      answer: pageOf(identityProvider),
      handle: ({ query, host }) => listProviders(db, query, host),
    }),
    route({
      method: "GET",
      path: "/identity-providers/:id",
      operation: "readIdentityProvider",
      summary: "One provider of single sign-on",
      tag,
      right: "users.read",
      params: byId,
      answer: identityProvider,
      handle: async ({ params, host }) => showProvider(db, await findProvider(db, params.id), host),
    }),
    route({
      method: "POST",
      path: "/identity-providers/:id/test",
      operation: "testIdentityProvider",
      summary: "Ask a provider what it offers, and whether it knows this service",
      tag,
      right: "users.edit",
      params: byId,
      answer: identityProviderTest,
      handle: ({ params, host }) => testProvider(dependencies, params.id, host),
    }),
  ];
}

function editRoutes(dependencies: SingleSignOnDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/identity-providers",
      operation: "createIdentityProvider",
      summary: "Add a provider of single sign-on; its client secret is a password of the Password Manager",
      tag,
      right: "users.edit",
      body: newIdentityProvider,
      answer: identityProvider,
      status: 201,
      creates: true,
      handle: ({ actor, body, host }) => createProvider(dependencies, signedIn(actor), body, host),
    }),
    route({
      method: "PATCH",
      path: "/identity-providers/:id",
      operation: "changeIdentityProvider",
      summary: "Change a provider of single sign-on; its issuer stays",
      tag,
      right: "users.edit",
      params: byId,
      body: identityProviderChange,
      answer: identityProvider,
      edits: true,
      handle: ({ actor, params, body, ifMatch, host }) =>
        changeProvider(dependencies, signedIn(actor), params.id, body, { ifMatch, host }),
    }),
    route({
      method: "DELETE",
      path: "/identity-providers/:id",
      operation: "deleteIdentityProvider",
      summary: "Remove a provider that nobody needs to sign in",
      tag,
      right: "users.edit",
      params: byId,
      handle: ({ actor, params }) => deleteProvider(dependencies, signedIn(actor), params.id),
    }),
  ];
}
