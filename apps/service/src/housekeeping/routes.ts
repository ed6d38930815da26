// How long history is kept, over HTTP.
import { historyPolicy, historyPolicyView } from "@holdfast/protocol";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { PolicyDependencies } from "../policies/policy-rows.ts";
import { readHistoryPolicy, setHistoryPolicy } from "./history-policy.ts";

const TAG = "policies";

export function housekeepingRoutes(dependencies: PolicyDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/policies/history",
      operation: "readHistoryPolicy",
      summary: "How long tasks and their events are kept",
      tag: TAG,
      right: "tasks.read",
      answer: historyPolicyView,
      handle: () => readHistoryPolicy(db),
    }),
    route({
      method: "PUT",
      path: "/policies/history",
      operation: "setHistoryPolicy",
      summary: "Change it; recorded in the audit log, which is never shortened itself",
      tag: TAG,
      right: "service.operate",
      body: historyPolicy,
      edits: true,
      answer: historyPolicyView,
      handle: ({ actor, body, ifMatch }) => setHistoryPolicy(dependencies, signedIn(actor), body, ifMatch),
    }),
  ];
}
