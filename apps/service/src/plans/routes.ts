// Plans over HTTP.
import {
  newPlan,
  pageOf,
  plan,
  planChange,
  planClone,
  planId,
  planQuery,
  planRun,
  type RetentionPolicyGiven,
  retentionPolicy,
  retentionPreview,
  startedTasks,
} from "@holdfast/protocol";
import { z } from "zod";
import { userActor } from "../audit/audit.ts";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { planDecision } from "../operations/retention.ts";
import { listPlans } from "./plan-list.ts";
import { findPlan } from "./plan-rows.ts";
import { showPlan } from "./plan-views.ts";
import { runPlan, type RunDependencies } from "./plan-runs.ts";
import { changePlan, clonePlan, createPlan, deletePlan, type PlanDependencies } from "./plans.ts";

const byId = z.object({ id: planId });
const TAG = "plans";

type Dependencies = PlanDependencies & RunDependencies;

export function planRoutes(dependencies: Dependencies): AnyRoute[] {
  return [...listRoutes(dependencies), ...editRoutes(dependencies), ...useRoutes(dependencies)];
}

function listRoutes({ database: { db } }: Dependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/plans",
      operation: "listPlans",
      summary: "Backup plans, by name",
      tag: TAG,
      right: "plans.read",
      query: planQuery,
      answer: pageOf(plan),
      handle: ({ query }) => listPlans(db, query),
    }),
    route({
      method: "GET",
      path: "/plans/:id",
      operation: "readPlan",
      summary: "One plan",
      tag: TAG,
      right: "plans.read",
      params: byId,
      answer: plan,
      handle: async ({ params }) => showPlan(db, await findPlan(db, params.id)),
    }),
  ];
}

function editRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/plans",
      operation: "createPlan",
      summary: "Save a new plan; its encryption is fixed from then on",
      tag: TAG,
      right: "plans.edit",
      body: newPlan,
      answer: plan,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createPlan(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/plans/:id",
      operation: "changePlan",
      summary: "Change a plan; everything but its encryption",
      tag: TAG,
      right: "plans.edit",
      params: byId,
      body: planChange,
      edits: true,
      answer: plan,
      handle: ({ actor, params, body, ifMatch }) =>
        changePlan(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/plans/:id",
      operation: "deletePlan",
      summary: "Delete a plan; its copies stay",
      tag: TAG,
      right: "plans.edit",
      params: byId,
      handle: ({ actor, params }) => deletePlan(dependencies, signedIn(actor), params.id),
    }),
    route({
      method: "POST",
      path: "/plans/:id/clone",
      operation: "clonePlan",
      summary: "A new plan like this one; the only way to other encryption",
      tag: TAG,
      right: "plans.edit",
      params: byId,
      body: planClone,
      answer: plan,
      status: 201,
      creates: true,
      handle: ({ actor, params, body }) => clonePlan(dependencies, signedIn(actor), params.id, body),
    }),
  ];
}

function useRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/plans/:id/run",
      operation: "runPlan",
      summary: "Back up now",
      tag: TAG,
      right: "plans.run",
      params: byId,
      body: planRun,
      answer: startedTasks,
      status: 202,
      creates: true,
      handle: async ({ actor, params, body }) => ({
        tasks: await runPlan(dependencies, userActor(signedIn(actor)), params.id, body.devices),
      }),
    }),
    route({
      method: "POST",
      path: "/plans/:id/retention-preview",
      operation: "previewRetention",
      summary: "What a retention policy would keep and forget of the plan's copies",
      tag: TAG,
      right: "plans.read",
      params: byId,
      body: retentionPolicy,
      answer: retentionPreview,
      handle: ({ params, body }) => previewRetention(dependencies, params.id, body),
    }),
  ];
}

async function previewRetention(
  { database: { db }, clock }: PlanDependencies,
  id: string,
  policy: RetentionPolicyGiven,
): Promise<z.infer<typeof retentionPreview>> {
  const { repository_id: repositoryId } = await findPlan(db, id);
  const { keep, forget } = await planDecision(db, clock, policy, { planId: id, repositoryId });
  return {
    kept: keep.map(({ copy, reasons }) => ({
      copy: copy.id,
      time: copy.timeMs,
      device: copy.deviceId,
      reasons: [...reasons],
      lockedUntil: copy.lockedUntil,
    })),
    forgotten: forget.map(({ id: copy, timeMs, deviceId }) => ({ copy, time: timeMs, device: deviceId })),
  };
}
