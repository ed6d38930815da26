// Storages over HTTP.
import {
  newStorage,
  pageOf,
  startedTask,
  storage,
  storageChange,
  storageId,
  storageQuery,
  storageTest,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { listStorages } from "./storage-list.ts";
import { findStorage, showStorage } from "./storage-rows.ts";
import { testStorage, type StorageTestDependencies } from "./storage-test.ts";
import { changeStorage, createStorage, deleteStorage, type StorageDependencies } from "./storages.ts";

const byId = z.object({ id: storageId });
const TAG = "storages";

type Dependencies = StorageDependencies & StorageTestDependencies;

export function storageRoutes(dependencies: Dependencies): AnyRoute[] {
  return [...readRoutes(dependencies), ...editRoutes(dependencies)];
}

function readRoutes(dependencies: Dependencies): AnyRoute[] {
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/storages",
      operation: "listStorages",
      summary: "Storages, by name",
      tag: TAG,
      right: "storages.read",
      query: storageQuery,
      answer: pageOf(storage),
      handle: ({ query }) => listStorages(db, query),
    }),
    route({
      method: "GET",
      path: "/storages/:id",
      operation: "readStorage",
      summary: "One storage",
      tag: TAG,
      right: "storages.read",
      params: byId,
      answer: storage,
      handle: async ({ params }) => showStorage(db, await findStorage(db, params.id)),
    }),
    route({
      method: "POST",
      path: "/storages/:id/test",
      operation: "testStorage",
      summary: "Let a device write, read, list and delete a probe in the storage",
      tag: TAG,
      right: "storages.edit",
      params: byId,
      body: storageTest,
      answer: startedTask,
      status: 202,
      handle: async ({ actor, params, body }) => ({
        task: await testStorage(dependencies, signedIn(actor), params.id, body.device),
      }),
    }),
  ];
}

function editRoutes(dependencies: Dependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/storages",
      operation: "createStorage",
      summary: "Add a storage; its credentials are passwords of the Password Manager",
      tag: TAG,
      right: "storages.edit",
      body: newStorage,
      answer: storage,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => createStorage(dependencies, signedIn(actor), body),
    }),
    route({
      method: "PATCH",
      path: "/storages/:id",
      operation: "changeStorage",
      summary: "Change a storage; another place needs its secrets typed again",
      tag: TAG,
      right: "storages.edit",
      params: byId,
      body: storageChange,
      edits: true,
      answer: storage,
      handle: ({ actor, params, body, ifMatch }) =>
        changeStorage(dependencies, signedIn(actor), params.id, body, ifMatch),
    }),
    route({
      method: "DELETE",
      path: "/storages/:id",
      operation: "deleteStorage",
      summary: "Remove a storage that nothing uses; what lies there stays",
      tag: TAG,
      right: "storages.edit",
      params: byId,
      handle: ({ actor, params }) => deleteStorage(dependencies, signedIn(actor), params.id),
    }),
  ];
}
