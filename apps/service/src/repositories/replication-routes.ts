// Replications over HTTP.
import {
  newReplication,
  pageOf,
  replication,
  replicationChange,
  replicationId,
  replicationQuery,
  replicationRun,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { findReplication, listReplications, showReplication } from "./replication-rows.ts";
import { runReplication } from "./replication-runs.ts";
import {
  changeReplication,
  createReplication,
  deleteReplication,
  type ReplicationDependencies,
} from "./replications.ts";

const byId = z.object({ id: replicationId });
const TAG = "replications";

export function replicationRoutes(dependencies: ReplicationDependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...editRoutes(dependencies)];
}

function readRoutes({ database: { db }, clock }: ReplicationDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/replications",
      operation: "listReplications",
      summary: "Replications, by name, and how far they are behind",
      tag: TAG,
      right: "plans.read",
      query: replicationQuery,
      answer: pageOf(replication),
      handle: ({ query }) => listReplications(db, clock, query),
    }),
    route({
      method: "GET",
      path: "/replications/:id",
      operation: "readReplication",
      summary: "One replication",
      tag: TAG,
      right: "plans.read",
      params: byId,
      answer: replication,
      handle: async ({ params }) => showReplication(db, clock, await findReplication(db, params.id)),
    }),
  ];
}

function editRoutes(dependencies: ReplicationDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/replications",
      operation: "createReplication",
      summary: "Bring copies of a repository to another storage, by a schedule or after each backup",
      tag: TAG,
      right: "plans.edit",
      body: newReplication,
      answer: replication,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createReplication(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/replications/:id",
      operation: "changeReplication",
      summary: "Change a replication; everything but its source and target",
      tag: TAG,
      right: "plans.edit",
      params: byId,
      body: replicationChange,
      edits: true,
      answer: replication,
      handle: ({ actor, params, body, ifMatch }) =>
        changeReplication(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/replications/:id",
      operation: "deleteReplication",
      summary: "Delete a replication; the copies that it has brought stay",
      tag: TAG,
      right: "plans.edit",
      params: byId,
      handle: ({ actor, params }) => deleteReplication(dependencies, signedIn(actor), params.id),
    }),
    route({
      method: "POST",
      path: "/replications/:id/run",
      operation: "runReplication",
      summary: "Replicate now what is missing",
      tag: TAG,
      right: "plans.run",
      params: byId,
      answer: replicationRun,
      status: 202,
      creates: true,
      handle: async ({ actor, params }) => ({
        task: await runReplication(dependencies, signedIn(actor), params.id),
      }),
    }),
  ];
}
