/**
 * Documentation to browse: Swagger UI at `/api/docs`, from the same description as `/api/openapi.json`.
 *
 * @module
 */
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";

/** Swagger UI sets styles from its script, and has images as data. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export async function serveDocumentation(
  app: FastifyInstance,
  description: Readonly<Record<string, unknown>>,
): Promise<void> {
  app.get("/api/openapi.json", (_request, reply) => reply.send(description));
  await app.register(swagger, {
    mode: "static",
    // The type wants to know what is in it; openapi.ts does.
    specification: { document: { openapi: "", info: { title: "", version: "" }, paths: {}, ...description } },
  });
  await app.register(swaggerUi, { routePrefix: "/api/docs", staticCSP: CSP });
}
