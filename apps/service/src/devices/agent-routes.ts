/**
 * What an agent can reach over HTTP: to enroll, and nothing else (docs/protocol.md, section 1). The channel is an upgrade.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { ENROLL_PATH, enrollRequest } from "@holdfast/protocol";
import type { FastifyInstance } from "fastify";
import { createAttemptLimit } from "./attempt-limit.ts";
import { isOfDatabase } from "../database/failures.ts";
import { enroll, type EnrolmentDependencies } from "./enrolment.ts";

const BODY_BYTES_MAX = 64 * 1024;

/** Errors are thrown as `AppError`, for the server to turn into problem documents. */
export function registerAgentRoutes(app: FastifyInstance, dependencies: EnrolmentDependencies): void {
  const limit = createAttemptLimit(dependencies.database, dependencies.clock);
  app.post(ENROLL_PATH, { bodyLimit: BODY_BYTES_MAX, schema: { hide: true } }, async (request, reply) => {
    await limit.check(request.ip);
    const body = enrollRequest.safeParse(request.body);
    if (!body.success) {
      await limit.failed(request.ip);
      throw new AppError("ERR_USAGE", "This is no request to enroll.", {
        remedy: "Update the agent or the service: their versions do not fit each other.",
        cause: body.error,
      });
    }
    try {
      return await reply.status(201).send(await enroll(dependencies, body.data));
    } catch (error) {
      if (error instanceof AppError && !isOfDatabase(error)) await limit.failed(request.ip);
      throw error;
    }
  });
}
