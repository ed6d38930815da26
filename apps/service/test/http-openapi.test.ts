/**
 * The description of the API says what the routes do, and can be browsed.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { z } from "zod";
import { openDatabase } from "../src/database/open-database.ts";
import { route } from "../src/http/route.ts";
import { startTestServer } from "./http-fixture.ts";
import { sampleRoutes } from "./http-samples.ts";

const recursive = route({
  method: "POST",
  path: "/json",
  operation: "takeJson",
  summary: "Anything",
  tag: "things",
  right: "public",
  body: z.object({ value: z.json() }),
  answer: z.object({ value: z.json() }),
  handle: async ({ body }) => body,
});

// oxlint-disable-next-line typescript/no-explicit-any -- a test looks at what is there
async function describe(): Promise<any> {
  await using server = await startTestServer(await openDatabase(":memory:"), [...sampleRoutes(), recursive]);
  const response = await server.app.inject({ url: "/api/openapi.json" });
  assert.equal(response.statusCode, 200);
  return JSON.parse(response.body);
}

/** Every `$ref` of the document. */
function referencesOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    key === "$ref" && typeof part === "string" ? [part] : referencesOf(part),
  );
}

suite("OpenAPI", () => {
  test("is version 3.1 and has every route with its right and security", async () => {
    const document = await describe();
    assert.match(document.openapi, /^3\.1\./u);
    const create = document.paths["/api/v1/things"].post;
    assert.equal(create.operationId, "createThing");
    assert.equal(create["x-right"], "plans.edit");
    assert.deepEqual(create.security, [{ session: [] }, { token: [] }]);
    assert.deepEqual(document.paths["/api/v1/json"].post.security, []);
    assert.deepEqual(Object.keys(document.components.securitySchemes), ["session", "token"]);
  });

  test("has parameters of path, query and headers", async () => {
    const document = await describe();
    const names = (operation: { parameters: { name: string; in: string; required: boolean }[] }) =>
      operation.parameters.map((entry) => [entry.in, entry.name, entry.required].join(" "));
    assert.deepEqual(names(document.paths["/api/v1/things"].get), [
      "query limit false",
      "query cursor false",
    ]);
    assert.deepEqual(names(document.paths["/api/v1/things/{id}"].patch), [
      "path id true",
      "header If-Match true",
    ]);
    assert.deepEqual(names(document.paths["/api/v1/things"].post), ["header Idempotency-Key false"]);
  });

  test("says that unknown fields are refused, and what answers have", async () => {
    const { post } = (await describe()).paths["/api/v1/things"];
    const body = post.requestBody.content["application/json"].schema;
    assert.equal(body.additionalProperties, false);
    assert.equal(body.properties.nested.additionalProperties, false);
    assert.deepEqual(body.required, ["name"]);
    const answer = post.responses["201"];
    assert.deepEqual(Object.keys(answer.content["application/json"].schema.properties), [
      "id",
      "nested",
      "revision",
    ]);
    assert.ok(answer.headers.ETag);
    assert.equal(post.responses.default.$ref, "#/components/responses/Problem");
  });

  test("refers to nothing that it does not have", async () => {
    const document = await describe();
    const references = referencesOf(document);
    assert.ok(references.some((reference) => reference.startsWith("#/components/schemas/takeJson")));
    for (const reference of references) {
      const found = reference
        .slice(2)
        .split("/")
        .reduce((part, key) => part?.[key], document);
      assert.ok(found !== undefined, reference);
    }
  });

  test("the pages to browse it run no script but their own files", async () => {
    await using server = await startTestServer(await openDatabase(":memory:"));
    const page = await server.app.inject({ url: "/api/docs" });
    assert.equal(page.statusCode, 200);
    assert.match(String(page.headers["content-security-policy"]), /script-src 'self';/u);
    const sources = [...page.body.matchAll(/<script[^>]*src="([^"]+)"[^>]*>([^<]*)<\/script>/gu)];
    assert.ok(sources.length > 0);
    assert.equal(page.body.match(/<script/gu)?.length, sources.length);
    for (const [, source, inline] of sources) {
      assert.equal(inline?.trim(), "");
      const url = new URL(source ?? "", "https://service.test/api/docs");
      assert.equal((await server.app.inject({ url: url.pathname })).statusCode, 200);
    }
    assert.equal(page.body.match(/ on[a-z]+=/gu), null);
  });
});
