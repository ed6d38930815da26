/**
 * The description of the API (OpenAPI 3.1), from the definitions of the routes and their schemas.
 *
 * @module
 */
import { problem } from "@holdfast/protocol";
import { z } from "zod";
import type { AnyRoute } from "./route.ts";
import { API_PREFIX, pathParameters } from "./paths.ts";

type Json = Readonly<Record<string, unknown>>;

const PROBLEM = { $ref: "#/components/responses/Problem" };
const SECURITY = [{ session: [] }, { token: [] }];

export function describeApi(routes: readonly AnyRoute[], version: string): Json {
  const schemas: Record<string, unknown> = { Problem: jsonSchema(problem, "output", "Problem", {}) };
  const paths: Record<string, Record<string, unknown>> = {};
  for (const definition of routes) {
    const path = `${API_PREFIX}${definition.path.replaceAll(/:([A-Za-z]+)/gu, "{$1}")}`;
    paths[path] ??= {};
    paths[path][definition.method.toLowerCase()] = describeRoute(definition, schemas);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Holdfast",
      version,
      summary: "Management service of Holdfast: plans, secrets, devices, tasks and copies.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    tags: [...new Set(routes.map(({ tag }) => tag))].toSorted().map((name) => ({ name })),
    paths,
    components: {
      schemas,
      responses: {
        Problem: {
          description: "An error as problem details (RFC 9457); programs look at `code`.",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
      securitySchemes: {
        session: {
          type: "apiKey",
          in: "cookie",
          name: "__Host-holdfast",
          description: "Set by `POST /session`.",
        },
        token: { type: "http", scheme: "bearer", description: "An API token." },
      },
    },
  };
}

function describeRoute(definition: AnyRoute, schemas: Record<string, unknown>): Json {
  const { operation, summary, tag, right, body } = definition;
  return {
    operationId: operation,
    summary,
    tags: [tag],
    "x-right": right,
    security: right === "public" ? [] : SECURITY,
    parameters: parametersOf(definition, schemas),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              "application/json": { schema: jsonSchema(body, "input", `${operation}Body`, schemas) },
            },
          },
        }),
    responses: {
      [String(statusOf(definition))]: successOf(definition, schemas),
      ...(right === "public" ? {} : { 401: PROBLEM, 403: PROBLEM }),
      ...(definition.edits === true ? { 412: PROBLEM, 428: PROBLEM } : {}),
      422: PROBLEM,
      429: PROBLEM,
      default: PROBLEM,
    },
  };
}

export function statusOf({ status, answer, stream }: AnyRoute): number {
  return status ?? (answer === undefined && stream === undefined ? 204 : 200);
}

function successOf({ operation, answer, stream }: AnyRoute, schemas: Record<string, unknown>): Json {
  if (stream !== undefined) {
    return {
      description: "Goes on until it is closed.",
      content: { [stream]: { schema: { type: "string" } } },
    };
  }
  if (answer === undefined) return { description: "Done." };
  const schema = jsonSchema(answer, "output", `${operation}Answer`, schemas);
  const properties = schema["properties"];
  const hasRevision = typeof properties === "object" && properties !== null && "revision" in properties;
  return {
    description: "Done.",
    ...(hasRevision
      ? { headers: { ETag: { description: "For `If-Match`.", schema: { type: "string" } } } }
      : {}),
    content: { "application/json": { schema } },
  };
}

function header(name: string, required: boolean, description: string): Json {
  return { name, in: "header", required, description, schema: { type: "string", maxLength: 255 } };
}

function parametersOf(definition: AnyRoute, schemas: Record<string, unknown>): readonly Json[] {
  return [
    ...fieldsOf(definition, "path", definition.params, schemas),
    ...fieldsOf(definition, "query", definition.query, schemas),
    ...(definition.edits === true ? [header("If-Match", true, "ETag of what was loaded.")] : []),
    ...(definition.creates === true
      ? [header("Idempotency-Key", false, "A repetition within a day gets the first answer.")]
      : []),
  ];
}

function fieldsOf(
  { operation, path }: AnyRoute,
  place: "path" | "query",
  schema: z.ZodType | undefined,
  schemas: Record<string, unknown>,
): readonly Json[] {
  if (schema === undefined) return [];
  const { properties, required } = z
    .object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).default([]) })
    .parse(jsonSchema(schema, "input", `${operation}${place === "path" ? "Path" : "Query"}`, schemas));
  const names = place === "path" ? pathParameters(path) : Object.keys(properties);
  return names.map((name) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: properties[name] ?? {},
  }));
}

/** What a schema refers to becomes a component; unknown fields of inputs are refused, as {@link checkInput} does. */
function jsonSchema(
  schema: z.ZodType,
  io: "input" | "output",
  name: string,
  schemas: Record<string, unknown>,
): Record<string, unknown> {
  const {
    $schema: _,
    $defs,
    ...rest
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ jsonSchema: json }) => {
      if (io === "input" && json.type === "object" && json.properties !== undefined) {
        json.additionalProperties ??= false;
      }
    },
  });
  const componentOf = (key: string): string => `${name}_${key.replace(/^_+/u, "")}`;
  const rewritten = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (key, part: unknown) =>
      key === "$ref" && typeof part === "string"
        ? part.replace(
            /^#\/\$defs\/(.+)$/u,
            (__, target: string) => `#/components/schemas/${componentOf(target)}`,
          )
        : part,
    );
  for (const [key, definition] of Object.entries($defs ?? {}))
    schemas[componentOf(key)] = rewritten(definition);
  return z.record(z.string(), z.unknown()).parse(rewritten(rest));
}
