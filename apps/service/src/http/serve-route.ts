/**
 * Carries out one request of a route: checks what came, calls the domain, builds the answer.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { Clock } from "@holdfast/kernel";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Database } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { type Admission, isStillAdmitted } from "./admit.ts";
import { buildAnswer } from "./answer.ts";
import { revisionNeeded, revisionOf } from "./conditions.ts";
import { type Authentication, BROWSER_COOKIE, browserTokenOf, SESSION_COOKIE } from "./credentials.ts";
import { idempotencyKeyOf, runOnce, type StoredAnswer } from "./idempotency.ts";
import { checkInput } from "./input.ts";
import { statusOf } from "./openapi.ts";
import { InputError } from "./problems.ts";
import type { AnyRoute, Call, StreamAnswer } from "./route.ts";

const USER_AGENT_CHARACTERS_MAX = 400;
/** So often in a row nobody may know whether the one who has a stream may still have it. */
const UNKNOWN_MAX = 3;

export interface RouteDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly authentication: Authentication;
  /** Those that are open: who stops the server ends them. */
  readonly streams: Set<Readable>;
  /** So often it is looked whether the one who has a stream may still have it. */
  readonly streamCheckMs: number;
}

export async function serveRoute(
  dependencies: RouteDependencies,
  definition: AnyRoute,
  { actor, credential }: Admission,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const input = readInput(definition, request);
  const call: Call<unknown, unknown, unknown> = {
    actor,
    ...input,
    address: request.ip,
    host: request.host,
    userAgent: (request.headers["user-agent"] ?? "").slice(0, USER_AGENT_CHARACTERS_MAX),
    header: (name) => request.headers[name]?.toString(),
    gone: goneSignal(reply),
    setSession: (token) => {
      setCookie(reply, SESSION_COOKIE, token);
    },
    browserToken: browserTokenOf(request),
    setBrowserToken: (token) => {
      setCookie(reply, BROWSER_COOKIE, token);
    },
  };
  if (definition.stream !== undefined) {
    const { stream, status, headers } = streamOf(definition, await definition.handle(call));
    keepStream(dependencies, definition, { actor, credential }, request, stream);
    return reply.code(status).type(definition.stream).headers(headers).send(stream);
  }
  const work = async (): Promise<StoredAnswer> => {
    const answer = await definition.handle(call);
    // Nobody is told of what the power could still take back.
    await dependencies.database.settled();
    const status = statusOf(definition);
    if (definition.answer === undefined) return { status, text: "" };
    const { text, etag } = buildAnswer(definition.operation, definition.answer, answer);
    return { status, text, ...(etag === undefined ? {} : { etag }) };
  };
  const key = definition.creates === true ? idempotencyKeyOf(request.headers["idempotency-key"]) : undefined;
  if (key === undefined) return send(reply, await work());
  assert(
    actor !== undefined && credential !== undefined,
    "only routes with an actor take an Idempotency-Key",
  );
  const { userId } = actor;
  const { method } = request;
  const path = request.url;
  const { answer, repeated } = await runOnce(
    dependencies,
    { userId, key, token: credential.token, method, path, body: call.body },
    work,
  );
  if (repeated) reply.header("idempotency-replayed", "true");
  return send(reply, answer);
}

function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

function streamOf(definition: AnyRoute, answer: unknown): StreamAnswer {
  if (answer instanceof Readable) return { stream: answer, status: 200, headers: {} };
  assert(isStreamAnswer(answer), `${definition.operation} answers a stream`);
  return answer;
}

function isStreamAnswer(answer: unknown): answer is StreamAnswer {
  return (
    typeof answer === "object" && answer !== null && "stream" in answer && answer.stream instanceof Readable
  );
}

function keepStream(
  dependencies: RouteDependencies,
  { right }: AnyRoute,
  admission: Admission,
  { ip }: FastifyRequest,
  stream: Readable,
): void {
  const { streams } = dependencies;
  streams.add(stream);
  let unknown = 0;
  const endUnlessAdmitted = async (): Promise<void> => {
    try {
      const still = await isStillAdmitted(dependencies, right, admission, ip);
      unknown = 0;
      if (!still) stream.destroy();
    } catch (error) {
      unknown += 1;
      // A download of hours does not end with one connection to the database.
      if (!isOfDatabase(error) || unknown >= UNKNOWN_MAX) stream.destroy();
    }
  };
  const timer = setInterval(() => {
    void endUnlessAdmitted();
  }, dependencies.streamCheckMs);
  stream.once("close", () => {
    clearInterval(timer);
    streams.delete(stream);
  });
}

function readInput(
  definition: AnyRoute,
  request: FastifyRequest,
): Pick<Call<unknown, unknown, unknown>, "params" | "query" | "body" | "ifMatch"> {
  const { params, query, body } = definition;
  if (body === undefined && request.body !== undefined) {
    throw new InputError([{ path: "body", message: "is not expected" }]);
  }
  const ifMatch = revisionOf(request.headers["if-match"]);
  if (definition.edits === true && ifMatch === undefined) throw revisionNeeded();
  return {
    params: params === undefined ? undefined : checkInput(params, request.params, "path"),
    query: query === undefined ? refuseQuery(request.query) : checkInput(query, request.query, "query"),
    body: body === undefined ? undefined : checkInput(body, request.body, "body"),
    ifMatch,
  };
}

function refuseQuery(query: unknown): undefined {
  const names = typeof query === "object" && query !== null ? Object.keys(query) : [];
  if (names.length === 0) return undefined;
  throw new InputError(
    names.slice(0, 20).map((name) => ({ path: `query.${name}`.slice(0, 400), message: "is not known" })),
  );
}

/** Without `Max-Age`: the browser forgets it when it is closed, the database knows when it ends. */
function setCookie(reply: FastifyReply, name: string, token: string | undefined): void {
  const attributes = { path: "/", secure: true, httpOnly: true, sameSite: "strict" } as const;
  if (token === undefined) reply.clearCookie(name, attributes);
  else reply.setCookie(name, token, attributes);
}

async function send(reply: FastifyReply, { status, text, etag }: StoredAnswer): Promise<FastifyReply> {
  reply.code(status);
  if (etag !== undefined) reply.header("etag", etag);
  if (status === 204) return reply.send();
  return reply.type("application/json; charset=utf-8").send(text);
}
