// Copies over HTTP.
import {
  browsePage,
  browseQuery,
  copy,
  copyDeletion,
  copiesDeletion,
  copyId,
  copyPlace,
  copyQuery,
  pageOf,
  restoreRequest,
  startedTask,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { lockRules } from "../policies/copy-lock.ts";
import { findCopy, listCopies, showCopy } from "./copy-rows.ts";
import { browseCopy, type CopyDependencies, deleteCopies, deleteCopy, restoreCopy } from "./copy-tasks.ts";

const byId = z.object({ id: copyId });
const TAG = "copies";

export function copyRoutes(dependencies: CopyDependencies): AnyRoute[] {
  const { clock } = dependencies;
  const { db } = dependencies.database;
  return [
    route({
      method: "GET",
      path: "/copies",
      operation: "listCopies",
      summary: "Copies, the newest first",
      tag: TAG,
      right: "copies.read",
      query: copyQuery,
      answer: pageOf(copy),
      handle: ({ query }) => listCopies(db, query, clock),
    }),
    route({
      method: "GET",
      path: "/copies/:id",
      operation: "readCopy",
      summary: "One copy",
      tag: TAG,
      right: "copies.read",
      params: byId,
      query: copyPlace,
      answer: copy,
      handle: async ({ params, query }) =>
        showCopy(await findCopy(db, params.id, query.repository), await lockRules(db, clock)),
    }),
    ...workRoutes(dependencies),
  ];
}

function workRoutes(dependencies: CopyDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/copies/:id/entries",
      operation: "browseCopy",
      summary: "What a folder of the copy holds, read by a device",
      tag: TAG,
      right: "copies.browse",
      params: byId,
      query: browseQuery,
      answer: browsePage,
      handle: ({ actor, params, query }) => browseCopy(dependencies, signedIn(actor), params.id, query),
    }),
    route({
      method: "POST",
      path: "/copies/:id/restore",
      operation: "restoreCopy",
      summary: "Restore files to the device that made the copy, or to another one",
      tag: TAG,
      right: "copies.restore",
      params: byId,
      body: restoreRequest,
      answer: startedTask,
      status: 202,
      creates: true,
      handle: async ({ actor, params, body }) => ({
        task: await restoreCopy(dependencies, signedIn(actor), params.id, body),
      }),
    }),
    route({
      method: "POST",
      path: "/copies/:id/delete",
      operation: "deleteCopy",
      summary: "Delete a copy for good",
      tag: TAG,
      right: "copies.delete",
      params: byId,
      body: copyDeletion,
      answer: startedTask,
      status: 202,
      handle: async ({ actor, params, body }) => ({
        task: await deleteCopy(dependencies, signedIn(actor), params.id, body),
      }),
    }),
    route({
      method: "POST",
      path: "/copies/delete",
      operation: "deleteCopies",
      summary: "Delete several copies of one repository for good",
      tag: TAG,
      right: "copies.delete",
      body: copiesDeletion,
      answer: startedTask,
      status: 202,
      handle: async ({ actor, body }) => ({ task: await deleteCopies(dependencies, signedIn(actor), body) }),
    }),
  ];
}
