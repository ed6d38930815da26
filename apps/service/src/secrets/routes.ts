// The Password Manager over HTTP.
import {
  checkAnswer,
  checkRequest,
  createdSecret,
  deviceExposures,
  deviceId,
  newSecret,
  newSecretValue,
  pageOf,
  revealedSecret,
  revealRequest,
  secret,
  secretChange,
  secretExposures,
  secretId,
  secretQuery,
  secretUses,
  strength,
  strengthRequest,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { exposuresOfDevice, exposuresOfSecret } from "./exposures.ts";
import type { OwnPasswordDependencies } from "./own-password.ts";
import { checkSecret, revealSecret } from "./reveal.ts";
import { findSecret, listSecrets, showSecret } from "./secret-rows.ts";
import { findUses } from "./secret-uses.ts";
import { proposalRoutes } from "./proposal-routes.ts";
import type { ProposalDependencies } from "./proposal-dependencies.ts";
import { changeSecret, createSecret, deleteSecret } from "./secrets.ts";
import { strengthOf } from "./strength/strength.ts";
import { changeValue } from "./value-change.ts";

const byId = z.object({ id: secretId });
const TAG = "secrets";

export type SecretRouteDependencies = ProposalDependencies & OwnPasswordDependencies;

export function secretRoutes(dependencies: SecretRouteDependencies): AnyRoute[] {
  return [
    ...readRoutes(dependencies),
    ...exposureRoutes(dependencies),
    strengthRoute(dependencies),
    ...editRoutes(dependencies),
    ...valueRoutes(dependencies),
    ...proposalRoutes(dependencies),
  ];
}

function readRoutes({ database, findUses: finders }: SecretRouteDependencies): AnyRoute[] {
  const { db } = database;
  return [
    route({
      method: "GET",
      path: "/secrets",
      operation: "listSecrets",
      summary: "Passwords and encryption keys, by name, without their values",
      tag: TAG,
      right: "secrets.list",
      query: secretQuery,
      answer: pageOf(secret),
      handle: ({ query }) => listSecrets(db, query),
    }),
    route({
      method: "GET",
      path: "/secrets/:id",
      operation: "readSecret",
      summary: "One secret without its value",
      tag: TAG,
      right: "secrets.list",
      params: byId,
      answer: secret,
      handle: async ({ params }) => showSecret(await findSecret(db, params.id)),
    }),
    route({
      method: "GET",
      path: "/secrets/:id/uses",
      operation: "listSecretUses",
      summary: "Where a secret is used",
      tag: TAG,
      right: "secrets.list",
      params: byId,
      answer: secretUses,
      handle: async ({ params }) => {
        await findSecret(db, params.id);
        return { items: [...(await findUses(db, finders, params.id))] };
      },
    }),
  ];
}

function exposureRoutes({ database }: SecretRouteDependencies): AnyRoute[] {
  const { db } = database;
  return [
    route({
      method: "GET",
      path: "/secrets/:id/exposures",
      operation: "listSecretExposures",
      summary: "Devices that were ever given a secret, also one that was deleted",
      tag: TAG,
      right: "secrets.list",
      params: byId,
      answer: secretExposures,
      handle: async ({ params }) => ({ items: await exposuresOfSecret(db, params.id) }),
    }),
    route({
      method: "GET",
      path: "/devices/:id/exposures",
      operation: "listDeviceExposures",
      summary: "What a device was ever given, also one that was removed: what to change when it is lost",
      tag: TAG,
      right: "secrets.list",
      params: z.object({ id: deviceId }),
      answer: deviceExposures,
      handle: async ({ params }) => ({ items: await exposuresOfDevice(db, params.id) }),
    }),
  ];
}

function strengthRoute({ estimate }: SecretRouteDependencies): AnyRoute {
  return route({
    method: "POST",
    path: "/secrets/strength",
    operation: "estimateStrength",
    summary: "How hard a value is to guess; it is neither stored nor logged",
    tag: TAG,
    // Also for one's own password.
    right: "signed-in",
    body: strengthRequest,
    answer: strength,
    handle: ({ body }) => strengthOf(estimate, body.value),
  });
}

function editRoutes(dependencies: SecretRouteDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/secrets",
      operation: "createSecret",
      summary: "Add a password or an encryption key, typed twice or generated",
      tag: TAG,
      right: "secrets.edit",
      body: newSecret,
      answer: createdSecret,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createSecret(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/secrets/:id",
      operation: "changeSecret",
      summary: "Change name, description or hint, or disable it",
      tag: TAG,
      right: "secrets.edit",
      params: byId,
      body: secretChange,
      answer: secret,
      edits: true,
      handle: ({ actor, params, body, ifMatch }) =>
        changeSecret(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "PUT",
      path: "/secrets/:id/value",
      operation: "changeSecretValue",
      summary:
        "Give a password a new value at once: one that nothing uses, or untested; an encryption key never changes",
      tag: TAG,
      right: "secrets.edit",
      params: byId,
      body: newSecretValue,
      answer: secret,
      edits: true,
      handle: ({ actor, params, body, ifMatch }) =>
        changeValue(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/secrets/:id",
      operation: "deleteSecret",
      summary: "Delete a secret that nothing uses and no copy needs",
      tag: TAG,
      right: "secrets.delete",
      params: byId,
      handle: ({ actor, params }) => deleteSecret(dependencies, signedIn(actor), params.id),
    }),
  ];
}

function valueRoutes(dependencies: SecretRouteDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/secrets/:id/reveal",
      operation: "revealSecret",
      summary: "Show a value, for a reason and with one's own password; the audit log tells",
      tag: TAG,
      right: "secrets.reveal",
      params: byId,
      body: revealRequest,
      answer: revealedSecret,
      handle: ({ actor, params, body }) => revealSecret(dependencies, signedIn(actor), params.id, body),
    }),
    route({
      method: "POST",
      path: "/secrets/:id/check",
      operation: "checkSecret",
      summary: "Ask whether this is the value: yes or no, ten times an hour",
      tag: TAG,
      right: "secrets.use",
      params: byId,
      body: checkRequest,
      answer: checkAnswer,
      handle: ({ actor, params, body }) => checkSecret(dependencies, signedIn(actor), params.id, body.value),
    }),
  ];
}
