// Policies over HTTP.
import { isAppError } from "@holdfast/kernel";
import { copyId, instantAccess, instantAccessPolicy, instantAccessPolicyView } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import {
  checkInstantAccess,
  type PolicyDependencies,
  readInstantAccessPolicy,
  setInstantAccessPolicy,
} from "./instant-access.ts";

const TAG = "policies";

export function policyRoutes(dependencies: PolicyDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/policies/instant-access",
      operation: "readInstantAccessPolicy",
      summary: "Whether copies at the High level may be opened as a disk",
      tag: TAG,
      right: "copies.read",
      answer: instantAccessPolicyView,
      handle: () => readInstantAccessPolicy(db),
    }),
    route({
      method: "PUT",
      path: "/policies/instant-access",
      operation: "setInstantAccessPolicy",
      summary: "Allow or refuse it; recorded in the audit log",
      tag: TAG,
      right: "service.operate",
      body: instantAccessPolicy,
      edits: true,
      answer: instantAccessPolicyView,
      handle: ({ actor, body, ifMatch }) =>
        setInstantAccessPolicy(dependencies, signedIn(actor), body.highLevelAllowed, ifMatch),
    }),
    route({
      method: "GET",
      path: "/copies/:id/instant-access",
      operation: "readInstantAccess",
      summary: "Whether this copy may be opened as a disk, and if not, why",
      tag: TAG,
      right: "copies.read",
      params: z.object({ id: copyId }),
      answer: instantAccess,
      handle: ({ params }) => instantAccessOf(db, params.id),
    }),
  ];
}

async function instantAccessOf(db: Db, id: string): Promise<z.infer<typeof instantAccess>> {
  try {
    await checkInstantAccess(db, id);
    return { allowed: true, reason: null };
  } catch (error) {
    if (!isAppError(error) || error.code === "ERR_NOT_FOUND") throw error;
    const { code, message, remedy = "" } = error;
    return { allowed: false, reason: { code, message, remedy } };
  }
}
