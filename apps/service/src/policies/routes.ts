// Policies over HTTP.
import { isAppError } from "@holdfast/kernel";
import {
  copyId,
  instantAccess,
  instantAccessPolicy,
  instantAccessPolicyView,
  lockChange,
  lockView,
  planId,
  retentionLockPolicyChange,
  retentionLockPolicyView,
  retentionLockWithdrawal,
} from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { checkInstantAccess, readInstantAccessPolicy, setInstantAccessPolicy } from "./instant-access.ts";
import {
  type LockDependencies,
  requestClockChange,
  setLockPolicy,
  setPlanLock,
  showLockPolicy,
  showPlanLock,
  withdrawLockChange,
} from "./retention-lock.ts";
import type { PolicyDependencies } from "./policy-rows.ts";

const TAG = "policies";

type Dependencies = PolicyDependencies & LockDependencies;

export function policyRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    ...instantAccessRoutes(dependencies),
    ...lockPolicyRoutes(dependencies),
    ...planLockRoutes(dependencies),
  ];
}

function instantAccessRoutes(dependencies: PolicyDependencies): AnyRoute[] {
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

function lockPolicyRoutes(dependencies: Dependencies): AnyRoute[] {
  const { database, clock } = dependencies;
  const path = "/policies/retention-lock";
  return [
    route({
      method: "GET",
      path,
      operation: "readRetentionLockPolicy",
      summary:
        "For how long copies cannot be deleted, how long lowering that takes, and the clock it goes by",
      tag: TAG,
      right: "plans.read",
      answer: retentionLockPolicyView,
      handle: () => showLockPolicy(database.db, clock),
    }),
    route({
      method: "PUT",
      path,
      operation: "setRetentionLockPolicy",
      summary: "Raise it at once, or ask for less, which comes into effect after the waiting period",
      tag: TAG,
      right: "service.operate",
      body: retentionLockPolicyChange,
      edits: true,
      answer: retentionLockPolicyView,
      handle: ({ actor, body, ifMatch }) => setLockPolicy(dependencies, signedIn(actor), body, ifMatch),
    }),
    route({
      method: "POST",
      path: `${path}/withdraw`,
      operation: "withdrawRetentionLockPolicyChange",
      summary: "Call off what was asked for",
      tag: TAG,
      right: "plans.edit",
      body: retentionLockWithdrawal,
      answer: retentionLockPolicyView,
      handle: async ({ actor, body }) => {
        await withdrawLockChange(dependencies, signedIn(actor), body.of);
        return showLockPolicy(database.db, clock);
      },
    }),
    route({
      method: "POST",
      path: `${path}/clock`,
      operation: "requestLockClockChange",
      summary: "Ask for the lock clock to be set to the system's, after the waiting period",
      tag: TAG,
      right: "service.operate",
      answer: retentionLockPolicyView,
      handle: ({ actor }) => requestClockChange(dependencies, signedIn(actor)),
    }),
  ];
}

function planLockRoutes(dependencies: Dependencies): AnyRoute[] {
  const { database, clock } = dependencies;
  const path = "/plans/:id/retention-lock";
  const params = z.object({ id: planId });
  return [
    route({
      method: "GET",
      path,
      operation: "readPlanLock",
      summary: "For how long the plan's copies cannot be deleted",
      tag: "plans",
      right: "plans.read",
      params,
      answer: lockView,
      handle: ({ params: { id } }) => showPlanLock(database.db, clock, id),
    }),
    route({
      method: "PUT",
      path,
      operation: "setPlanLock",
      summary: "Raise it at once, or ask for less, which comes into effect after the waiting period",
      tag: "plans",
      right: "plans.edit",
      params,
      body: lockChange,
      edits: true,
      answer: lockView,
      handle: ({ actor, params: { id }, body, ifMatch }) =>
        setPlanLock(dependencies, signedIn(actor), id, body.days, ifMatch),
    }),
    route({
      method: "POST",
      path: `${path}/withdraw`,
      operation: "withdrawPlanLockChange",
      summary: "Call off what was asked for",
      tag: "plans",
      right: "plans.edit",
      params,
      answer: lockView,
      handle: async ({ actor, params: { id } }) => {
        await withdrawLockChange(dependencies, signedIn(actor), `plan:${id}`);
        return showPlanLock(database.db, clock, id);
      },
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
