/**
 * Routes as domains would have them, around one counter.
 */
import { AppError } from "@holdfast/kernel";
import { pageOf, pageQuery } from "@holdfast/protocol";
import { z } from "zod";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { type AnyRoute, route } from "../src/http/route.ts";
import { startTestServer, type TestServer } from "./http-fixture.ts";

const thing = z.object({ id: z.string(), nested: z.object({ shown: z.string() }), revision: z.number() });
const thingInput = z.object({
  name: z.string().max(10),
  nested: z.object({ a: z.number().default(1) }).optional(),
  list: z.array(z.object({ b: z.string() })).default([]),
});

/** Routes as domains would have them, around one counter. */
export function sampleRoutes(calls: unknown[] = []): AnyRoute[] {
  const common = { tag: "things" } as const;
  return [
    route({
      ...common,
      method: "GET",
      path: "/things",
      operation: "listThings",
      summary: "Things",
      right: "plans.read",
      query: pageQuery,
      answer: pageOf(z.object({ limit: z.number() })),
      handle: async ({ query }) => ({ items: [{ limit: query.limit }] }),
    }),
    route({
      ...common,
      method: "POST",
      path: "/things",
      operation: "createThing",
      summary: "Add",
      right: "plans.edit",
      body: thingInput,
      answer: thing,
      status: 201,
      creates: true,
      handle: async ({ body }) => {
        calls.push(body);
        if (body.name === "refuse") throw new AppError("ERR_IN_USE", "No.", { remedy: "Go." });
        const secretly = {
          id: String(calls.length),
          password: "hidden",
          nested: { shown: body.name, hidden: "hidden" },
        };
        return { ...secretly, revision: 7 };
      },
    }),
    route({
      ...common,
      method: "PATCH",
      path: "/things/:id",
      operation: "changeThing",
      summary: "Change",
      right: "plans.edit",
      params: z.object({ id: z.string().max(5) }),
      body: z.object({}),
      answer: z.object({ seen: z.number().optional() }),
      edits: true,
      handle: async ({ ifMatch }) => ({ seen: ifMatch }),
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/things/:id",
      operation: "deleteThing",
      summary: "Delete",
      right: "plans.edit",
      params: z.object({ id: z.string() }),
      handle: async () => {},
    }),
    route({
      ...common,
      method: "GET",
      path: "/broken/:how",
      operation: "breakThing",
      summary: "Fail",
      right: "signed-in",
      params: z.object({ how: z.string() }),
      answer: z.object({ a: z.number() }),
      handle: async ({ params }) => {
        if (params.how === "error") throw new TypeError("connected to secret-host failed");
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a program that does not keep its word
        return { a: "secret text" as unknown as number };
      },
    }),
  ];
}

export async function startWithSamples(calls?: unknown[], database?: Database): Promise<TestServer> {
  return startTestServer(database ?? (await openDatabase(":memory:")), sampleRoutes(calls));
}
