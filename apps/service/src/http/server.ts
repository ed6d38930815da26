/**
 * The HTTP server of the service: every route of the domains under `/api/v1`, and what is around them. It listens nowhere by
 * itself: `options.serverFactory` makes the server of the port, or `app.routing(request, response)` is called by one.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import cookie from "@fastify/cookie";
import { AppError, type Clock } from "@holdfast/kernel";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from "fastify";
import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import { asRequest } from "../database/query-lines.ts";
import { RIGHTS } from "../users/rights.ts";
import { type Admission, admit, type Gate } from "./admit.ts";
import type { Authentication } from "./credentials.ts";
import { serveDocumentation } from "./documentation.ts";
import type { Log } from "./log.ts";
import { formatMetrics, METRICS_TYPE, type MetricFamily } from "./exposition.ts";
import { createDatabaseMetrics, createRequestMetrics, type RequestMetrics } from "./metrics.ts";
import { describeApi } from "./openapi.ts";
import { API_PREFIX, pathParameters } from "./paths.ts";
import { notFound, PROBLEM_TYPE, problemOf } from "./problems.ts";
import { createRateLimit, type RateLimit } from "./rate-limit.ts";
import type { AnyRoute } from "./route.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";
import { serveRoute } from "./serve-route.ts";

const BODY_BYTES_MAX = 1024 * 1024;
const STREAM_CHECK_MS = 30_000;
const READY_MS = 3000;
const PARAMETER_CHARACTERS_MAX = 400;
const ADDRESS_LIMIT: RateLimit = { burst: 600, perSecond: 20 };
const USER_LIMIT: RateLimit = { burst: 600, perSecond: 20 };

export interface ServerDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly authentication: Authentication;
  /** Told what each request failed with, for what is one thing for all of them. */
  readonly outage?: (error: unknown) => void;
  /** Besides requests and the database's: added to `/metrics`. */
  readonly measured?: () => readonly MetricFamily[];
}

export interface ServerOptions {
  readonly routes: readonly AnyRoute[];
  readonly version: string;
  /** Adds what is no part of the API: pages of the console, the agents' enrolment. It declares its own checks. */
  readonly extend?: (app: FastifyInstance) => void | Promise<void>;
  readonly serverFactory?: NonNullable<FastifyServerOptions["serverFactory"]>;
  /** Addresses of proxies whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustProxy?: readonly string[];
  readonly addressLimit?: RateLimit;
  readonly userLimit?: RateLimit;
  /** Default: 30 s; see `RouteDefinition.stream`. */
  readonly streamCheckMs?: number;
  /** Fails while the service should get no requests. */
  readonly checkReady?: () => Promise<void>;
}

const admissions = new WeakMap<object, Admission>();

export async function buildServer(
  dependencies: ServerDependencies,
  options: ServerOptions,
): Promise<FastifyInstance> {
  checkDefinitions(options.routes);
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    logger: false,
    trustProxy: options.trustProxy === undefined ? false : [...options.trustProxy],
    // The answer of a HEAD would be made like that of a GET, streams too.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, error, dependencies),
    ...(options.serverFactory === undefined ? {} : { serverFactory: options.serverFactory }),
  });
  await app.register(cookie);
  readJsonOnly(app);
  app.addHook("onRequest", async (_request, reply) => {
    reply.headers({ ...SECURITY_HEADERS });
  });
  app.setErrorHandler((error, _request, reply) => sendProblem(reply, error, dependencies));
  const metrics = createRequestMetrics(options.version);
  logRequests(app, dependencies, metrics);
  addHealth(app, dependencies, options);
  const gate = createGate(dependencies, options);
  addRoutes(app, dependencies, options, gate);
  addMetrics(app, dependencies, metrics, gate);
  await serveDocumentation(app, describeApi(options.routes, options.version));
  await options.extend?.(app);
  app.setNotFoundHandler((request, reply) => {
    // Without the query, which nobody should have put a secret into, but may have.
    const [path = ""] = request.url.split("?");
    return sendProblem(reply, notFound(`${request.method} ${path.slice(0, 200)}`), dependencies);
  });
  await app.ready();
  return app;
}

/** What would make a route unreachable, or reachable for the wrong people, stops the start. */
function checkDefinitions(routes: readonly AnyRoute[]): void {
  const rights: ReadonlySet<string> = new Set([...RIGHTS, "public", "signed-in"]);
  const operations = new Set<string>();
  for (const { operation, right, path, params, creates } of routes) {
    assert(rights.has(right), `${operation} declares no right`);
    assert(!operations.has(operation), `${operation} is defined twice`);
    operations.add(operation);
    assert(
      pathParameters(path).length > 0 === (params !== undefined),
      `${operation} has no schema for its path`,
    );
    assert(creates !== true || right !== "public", `${operation} creates without anybody signed in`);
  }
}

function readJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    // A route without a body is called with the content type all the same: see cross-site.ts.
    if (body === "") done(null, undefined);
    else void parse(request, body.toString(), done);
  });
}

function createGate({ authentication, clock }: ServerDependencies, options: ServerOptions): Gate {
  return {
    authentication,
    limitAddress: createRateLimit(clock, options.addressLimit ?? ADDRESS_LIMIT),
    limitUser: createRateLimit(clock, options.userLimit ?? USER_LIMIT),
  };
}

function addMetrics(
  app: FastifyInstance,
  { database, clock, measured = () => [] }: ServerDependencies,
  metrics: RequestMetrics,
  gate: Gate,
): void {
  const databaseMetrics = createDatabaseMetrics(database, clock);
  app.get("/metrics", {
    onRequest: async (request) => {
      admissions.set(request, await asRequest(() => admit(gate, "service.operate", request)));
    },
    handler: async (_request, reply) => {
      const ofDatabase = await asRequest(() => databaseMetrics.collect());
      const families = [...metrics.collect(), ...measured(), ...ofDatabase];
      return reply.type(METRICS_TYPE).send(formatMetrics(families));
    },
  });
}

function addRoutes(
  app: FastifyInstance,
  dependencies: ServerDependencies,
  options: ServerOptions,
  gate: Gate,
): void {
  const streams = new Set<Readable>();
  const { streamCheckMs = STREAM_CHECK_MS } = options;
  // Nobody would wait for their end.
  app.addHook("preClose", async () => {
    for (const stream of streams) stream.destroy();
  });
  for (const definition of options.routes) {
    app.route({
      method: definition.method,
      url: `${API_PREFIX}${definition.path}`,
      onRequest: async (request) => {
        admissions.set(request, await asRequest(() => admit(gate, definition.right, request)));
      },
      handler: (request, reply) => {
        const admission = admissions.get(request);
        assert(admission !== undefined);
        const given = { ...dependencies, streams, streamCheckMs };
        return asRequest(() => serveRoute(given, definition, admission, request, reply));
      },
    });
  }
}

function addHealth(
  app: FastifyInstance,
  { database }: ServerDependencies,
  { checkReady }: ServerOptions,
): void {
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async () => {
    await withinTime(sql`select 1`.execute(database.db), READY_MS);
    await checkReady?.();
    return { status: "ok" };
  });
}

/** Who asks whether the service is ready has others to send requests to, and does not wait. */
async function withinTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const stopping = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: stopping.signal }).then(() => {
    throw new AppError("ERR_DATABASE_UNREACHABLE", "The database of the service takes too long to answer.", {
      remedy: "See that it runs and that this machine reaches it.",
    });
  });
  try {
    await Promise.race([work, late]);
  } finally {
    stopping.abort();
    late.catch(() => undefined);
    work.catch(() => undefined);
  }
}

function logRequests(app: FastifyInstance, { log }: ServerDependencies, metrics: RequestMetrics): void {
  app.addHook("onResponse", async (request, reply) => {
    const { url = "unknown" } = request.routeOptions;
    metrics.observe(request.method, url, reply.statusCode, reply.elapsedTime);
    log.info("request", {
      method: request.method,
      // The pattern: parameters and query may be what nobody should read.
      route: url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      user: admissions.get(request)?.actor?.userId,
      address: request.ip,
    });
  });
}

function sendProblem(
  reply: FastifyReply,
  error: unknown,
  { log, outage }: Pick<ServerDependencies, "log" | "outage">,
): FastifyReply {
  outage?.(error);
  const problem = problemOf(error, log);
  if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="holdfast"');
  if (problem.retryAfter !== undefined) reply.header("retry-after", String(problem.retryAfter));
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}
