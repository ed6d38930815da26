// The policy of calls to the outside over HTTP.
import { outboundPolicy, outboundPolicyView } from "@holdfast/protocol";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { PolicyDependencies } from "../policies/policy-rows.ts";
import { readOutboundPolicy, setOutboundPolicy } from "./outbound-policy.ts";

const TAG = "policies";

export function outboundRoutes(dependencies: PolicyDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/policies/outbound",
      operation: "readOutboundPolicy",
      summary: "Whom the service itself may call",
      tag: TAG,
      right: "service.operate",
      answer: outboundPolicyView,
      handle: () => readOutboundPolicy(dependencies.database.db),
    }),
    route({
      method: "PUT",
      path: "/policies/outbound",
      operation: "setOutboundPolicy",
      summary: "Allow addresses that are not public; recorded in the audit log",
      tag: TAG,
      right: "service.operate",
      body: outboundPolicy,
      edits: true,
      answer: outboundPolicyView,
      handle: ({ actor, body, ifMatch }) => setOutboundPolicy(dependencies, signedIn(actor), body, ifMatch),
    }),
  ];
}
