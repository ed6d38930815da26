// Proposed values of passwords over HTTP.
import {
  newProposal,
  proposal,
  proposalAcceptance,
  proposalId,
  proposals,
  secret,
  secretId,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import type { ProposalDependencies } from "./proposal-dependencies.ts";
import { findProposal, listProposals, showProposal } from "./proposal-rows.ts";
import { acceptProposal, discardProposal, proposeValue, testProposal } from "./proposals.ts";
import { findSecret } from "./secret-rows.ts";

const bySecret = z.object({ id: secretId });
const byId = z.object({ id: secretId, proposal: proposalId });
const TAG = "secrets";

export function proposalRoutes(dependencies: ProposalDependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...testRoutes(dependencies), ...endRoutes(dependencies)];
}

function readRoutes({ database: { db }, clock }: ProposalDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/secrets/:id/proposals",
      operation: "listSecretProposals",
      summary:
        "Proposed values of a password and what their tests said, the newest first, without the values",
      tag: TAG,
      right: "secrets.list",
      params: bySecret,
      answer: proposals,
      handle: async ({ params }) => {
        await findSecret(db, params.id);
        return { items: await listProposals(db, params.id, clock.now()) };
      },
    }),
    route({
      method: "GET",
      path: "/secrets/:id/proposals/:proposal",
      operation: "readSecretProposal",
      summary: "One proposed value, and what its tests said so far",
      tag: TAG,
      right: "secrets.list",
      params: byId,
      answer: proposal,
      handle: async ({ params }) =>
        showProposal(db, await findProposal(db, params.id, params.proposal), clock.now()),
    }),
  ];
}

function testRoutes(dependencies: ProposalDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/secrets/:id/proposals",
      operation: "proposeSecretValue",
      summary:
        "Test a new value of a password at every place where it is used, before it replaces the old one",
      tag: TAG,
      right: "secrets.edit",
      params: bySecret,
      body: newProposal,
      answer: proposal,
      status: 201,
      creates: true,
      handle: ({ actor, params, body }) => proposeValue(dependencies, signedIn(actor), params.id, body),
    }),
    route({
      method: "POST",
      path: "/secrets/:id/proposals/:proposal/test",
      operation: "testSecretProposal",
      summary: "Test a proposed value again where it has not passed",
      tag: TAG,
      right: "secrets.edit",
      params: byId,
      answer: proposal,
      status: 202,
      handle: ({ actor, params }) => testProposal(dependencies, signedIn(actor), params.id, params.proposal),
    }),
  ];
}

function endRoutes(dependencies: ProposalDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/secrets/:id/proposals/:proposal/accept",
      operation: "acceptSecretProposal",
      summary: "Make a proposed value the password's, used everywhere at once; If-Match is the password's",
      tag: TAG,
      right: "secrets.edit",
      params: byId,
      body: proposalAcceptance,
      answer: secret,
      edits: true,
      handle: ({ actor, params, body, ifMatch }) =>
        acceptProposal(
          dependencies,
          signedIn(actor),
          { secretId: params.id, id: params.proposal },
          body,
          ifMatch,
        ),
    }),
    route({
      method: "DELETE",
      path: "/secrets/:id/proposals/:proposal",
      operation: "discardSecretProposal",
      summary: "Drop a proposed value; the old one stays",
      tag: TAG,
      right: "secrets.edit",
      params: byId,
      handle: ({ actor, params }) =>
        discardProposal(dependencies, signedIn(actor), params.id, params.proposal),
    }),
  ];
}
