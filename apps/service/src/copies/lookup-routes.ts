// Searching, comparing and counting copies over HTTP.
import {
  comparisonView,
  copyFilter,
  copyId,
  copySummary,
  lookupQuery,
  newComparison,
  newSearch,
  pathVersions,
  searchView,
  startedSearch,
  startedTask,
  taskId,
  versionsQuery,
} from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { summarizeCopies } from "./copy-rows.ts";
import type { CopyDependencies } from "./copy-tasks.ts";
import { readLookup, startComparison, startSearch, versionsOf } from "./lookups.ts";

const byTask = z.object({ task: taskId });
const TAG = "copies";

export function lookupRoutes(dependencies: CopyDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/copies/summary",
      operation: "summarizeCopies",
      summary: "How many copies fit, their sizes, the oldest and the newest",
      tag: TAG,
      right: "copies.read",
      query: copyFilter,
      answer: copySummary,
      handle: ({ query }) => summarizeCopies(dependencies.database.db, query),
    }),
    route({
      method: "GET",
      path: "/copies/:id/versions",
      operation: "listVersions",
      summary: "One path in this copy and those before it, and what changed from one to the next",
      tag: TAG,
      right: "copies.browse",
      params: z.object({ id: copyId }),
      query: versionsQuery,
      answer: pathVersions,
      handle: ({ actor, params, query }) => versionsOf(dependencies, signedIn(actor), params.id, query),
    }),
    ...searchRoutes(dependencies),
    ...comparisonRoutes(dependencies),
  ];
}

function searchRoutes(dependencies: CopyDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/searches",
      operation: "startSearch",
      summary: "Search for names in copies",
      tag: TAG,
      right: "copies.browse",
      body: newSearch,
      answer: startedSearch,
      status: 202,
      creates: true,
      handle: ({ actor, body }) => startSearch(dependencies, signedIn(actor), body),
    }),
    route({
      method: "GET",
      path: "/searches/:task",
      operation: "readSearch",
      summary: "How far a search is, and what it has found",
      tag: TAG,
      right: "copies.browse",
      params: byTask,
      query: lookupQuery,
      answer: searchView,
      handle: async ({ params, query, gone }) => {
        const lookup = await readLookup(dependencies, "search", params.task, query.wait * 1000, gone);
        return searchView.parse(lookup);
      },
    }),
  ];
}

function comparisonRoutes(dependencies: CopyDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/comparisons",
      operation: "startComparison",
      summary: "Compare two copies of a repository",
      tag: TAG,
      right: "copies.browse",
      body: newComparison,
      answer: startedTask,
      status: 202,
      creates: true,
      handle: async ({ actor, body }) => ({
        task: await startComparison(dependencies, signedIn(actor), body),
      }),
    }),
    route({
      method: "GET",
      path: "/comparisons/:task",
      operation: "readComparison",
      summary: "How far a comparison is, and what differs",
      tag: TAG,
      right: "copies.browse",
      params: byTask,
      query: lookupQuery,
      answer: comparisonView,
      handle: async ({ params, query, gone }) => {
        const lookup = await readLookup(dependencies, "compare", params.task, query.wait * 1000, gone);
        return comparisonView.parse(lookup);
      },
    }),
  ];
}
