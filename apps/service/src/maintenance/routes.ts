// Repositories over HTTP.
import {
  maintenanceChange,
  pageOf,
  repository,
  repositoryId,
  repositoryQuery,
  repositoryRemoval,
  repositoryRemovalRequest,
  repositoryWork,
  repositoryWriteOff,
  repositoryWriteOffRequest,
  startedTask,
  verificationRequest,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { removalOf, removeRepository } from "../repositories/remove-repository.ts";
import { findRepository } from "../repositories/repositories.ts";
import { listRepositories, showRepository } from "../repositories/repository-view.ts";
import { writeOffOf, writeOffRepository } from "../repositories/write-off.ts";
import { changeMaintenance, type MaintenanceDependencies, startRepositoryTask } from "./maintenance.ts";

const byId = z.object({ id: repositoryId });
const TAG = "repositories";

export function repositoryRoutes(dependencies: MaintenanceDependencies): AnyRoute[] {
  return [readRoutes, workRoutes, removalRoutes, writeOffRoutes].flatMap((routes) => routes(dependencies));
}

function readRoutes(dependencies: MaintenanceDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/repositories",
      operation: "listRepositories",
      summary: "Repositories of all storages, or of one",
      tag: TAG,
      right: "storages.read",
      query: repositoryQuery,
      answer: pageOf(repository),
      handle: ({ query }) => listRepositories(db, query),
    }),
    route({
      method: "GET",
      path: "/repositories/:id",
      operation: "readRepository",
      summary: "One repository, and what is done with it when",
      tag: TAG,
      right: "storages.read",
      params: byId,
      answer: repository,
      handle: async ({ params }) => showRepository(db, await findRepository(db, params.id)),
    }),
    route({
      method: "PUT",
      path: "/repositories/:id/maintenance",
      operation: "changeMaintenance",
      summary: "How often it is verified, copies are forgotten by rules, and space is given back",
      tag: TAG,
      right: "storages.edit",
      params: byId,
      body: maintenanceChange,
      answer: repository,
      handle: async ({ actor, params, body }) => {
        await changeMaintenance(dependencies, signedIn(actor), params.id, body);
        return showRepository(db, await findRepository(db, params.id));
      },
    }),
  ];
}

function workRoutes(dependencies: MaintenanceDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/repositories/:id/verify",
      operation: "verifyRepository",
      summary: "Look for damage now: every object's checksum, or every byte",
      tag: TAG,
      right: "plans.run",
      params: byId,
      body: verificationRequest,
      answer: startedTask,
      status: 202,
      handle: async ({ actor, params, body: { device, ...input } }) => ({
        task: await startRepositoryTask(
          dependencies,
          signedIn(actor),
          params.id,
          { kind: "verify", input },
          device,
        ),
      }),
    }),
    workRoute(dependencies, "clean", "cleanRepository", "Give back the space that no copy needs"),
    workRoute(dependencies, "copies", "refreshCopies", "Look into the storage which copies are there"),
  ];
}

function removalRoutes(dependencies: MaintenanceDependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/repositories/:id/removal",
      operation: "readRepositoryRemoval",
      summary: "What stands against removing it, and what would stay in the storage",
      tag: TAG,
      right: "storages.read",
      params: byId,
      answer: repositoryRemoval,
      handle: ({ params }) => removalOf(db, params.id),
    }),
    route({
      method: "POST",
      path: "/repositories/:id/remove",
      operation: "removeRepository",
      summary: "Take an empty repository out of the service, with its keys; the storage is not touched",
      tag: TAG,
      right: "copies.delete",
      params: byId,
      body: repositoryRemovalRequest,
      answer: repositoryRemoval,
      handle: ({ actor, params, body }) =>
        removeRepository(dependencies, signedIn(actor), params.id, body.confirmation),
    }),
  ];
}

function writeOffRoutes(dependencies: MaintenanceDependencies): AnyRoute[] {
  const { database, clock } = dependencies;
  return [
    route({
      method: "GET",
      path: "/repositories/:id/write-off",
      operation: "readRepositoryWriteOff",
      summary: "What stands against writing it off as lost, and which copies would be gone",
      tag: TAG,
      right: "storages.read",
      params: byId,
      answer: repositoryWriteOff,
      handle: ({ params }) => writeOffOf(database.db, clock, params.id),
    }),
    route({
      method: "POST",
      path: "/repositories/:id/write-off",
      operation: "writeOffRepository",
      summary:
        "Take a repository whose storage is gone for good out of the service, with the record of its copies",
      tag: TAG,
      right: "copies.delete",
      params: byId,
      body: repositoryWriteOffRequest,
      answer: repositoryWriteOff,
      handle: ({ actor, params, body }) => writeOffRepository(dependencies, signedIn(actor), params.id, body),
    }),
  ];
}

function workRoute(
  dependencies: MaintenanceDependencies,
  kind: "clean" | "copies",
  operation: string,
  summary: string,
): AnyRoute {
  return route({
    method: "POST",
    path: `/repositories/:id/${kind}`,
    operation,
    summary,
    tag: TAG,
    right: "storages.edit",
    params: byId,
    body: repositoryWork,
    answer: startedTask,
    status: 202,
    handle: async ({ actor, params, body }) => ({
      task: await startRepositoryTask(
        dependencies,
        signedIn(actor),
        params.id,
        { kind, input: {} },
        body.device,
      ),
    }),
  });
}
