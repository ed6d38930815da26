/**
 * Errors as problem details (RFC 9457).
 *
 * @module
 */
import { STATUS_CODES } from "node:http";
import { AppError, type ErrorCode, errorCode, isAppError, newId } from "@holdfast/kernel";
import type { InputProblem, Problem } from "@holdfast/protocol";
import {
  databaseAbsent,
  databaseBusy,
  isDatabaseAbsent,
  isDatabaseOverloaded,
  isForeignKeyViolation,
  isLostRace,
  isUniqueViolation,
} from "../database/failures.ts";
import { describeError, type Log } from "./log.ts";
import { STATUSES } from "./statuses.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** A request that its schema does not allow: tells where. */
export class InputError extends AppError {
  readonly problems: readonly InputProblem[];

  constructor(problems: readonly InputProblem[]) {
    super("ERR_INPUT", `The request is not what it should be: ${problems.map(describe).join("; ")}.`, {
      remedy: "Correct the fields named in `problems`; `/api/openapi.json` describes them.",
    });
    this.problems = problems;
  }
}

function describe({ path, message }: InputProblem): string {
  return path === "" ? message : `${path}: ${message}`;
}

/** An error that says when to try again. */
export class RetryLaterError extends AppError {
  readonly retryAfterSeconds: number;

  constructor(code: ErrorCode, message: string, retryAfterMs: number) {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    super(code, message, { remedy: `Try again in ${String(seconds)} seconds.` });
    this.retryAfterSeconds = seconds;
  }
}

/** Any thrown value as a problem document; what nobody expected is logged under the id that the answer has. */
export function problemOf(error: unknown, log: Log): Problem {
  // The log says once when it begins and when it ends.
  if (isDatabaseAbsent(error)) return document(databaseAbsent(error));
  const known = asAppError(error);
  if (known !== undefined && isDatabaseOverloaded(known)) return document(known);
  if (known === undefined || STATUSES[known.code] >= 500) return unexpected(error, known, log);
  return document(known);
}

function document(error: AppError, id?: string): Problem {
  const status = STATUSES[error.code];
  return {
    type: `urn:holdfast:problem:${error.code}`,
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail: error.message,
    code: error.code,
    ...(error.subject === undefined ? {} : { subject: error.subject }),
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(error instanceof InputError ? { problems: [...error.problems] } : {}),
    ...(error instanceof RetryLaterError ? { retryAfter: error.retryAfterSeconds } : {}),
    ...(id === undefined ? {} : { id }),
  };
}

function unexpected(error: unknown, known: AppError | undefined, log: Log): Problem {
  const id = newId("err");
  log.error("failure", { id, ...describeError(error) });
  if (known !== undefined) return document(known, id);
  const internal = new AppError("ERR_INTERNAL", "The service failed at this.", {
    remedy: `Try again; if it stays, look for ${id} in the log of the service.`,
  });
  return document(internal, id);
}

function asAppError(error: unknown): AppError | undefined {
  if (isAppError(error)) return error;
  // A single statement is in no transaction, which would have been repeated.
  if (isLostRace(error)) return databaseBusy(error);
  if (isUniqueViolation(error)) {
    return new AppError("ERR_NAME_TAKEN", "There is one with this name already.", {
      remedy: "Choose another name.",
      cause: error,
    });
  }
  if (isForeignKeyViolation(error)) {
    return new AppError("ERR_IN_USE", "Something else needs this, or it needs something that is gone.", {
      remedy: "Load the page again, and look where it is used.",
      cause: error,
    });
  }
  return frameworkError(error);
}

/** Errors of Fastify itself, by their codes (fastify.dev/docs/latest/Reference/Errors). */
function frameworkError(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  if (error.statusCode === 413) {
    return new AppError("ERR_BODY_TOO_LARGE", "The request is larger than 1 MiB.");
  }
  if (error.statusCode === 415) return mediaTypeError();
  if (typeof error.statusCode !== "number" || error.statusCode >= 500) return undefined;
  const reason =
    error instanceof SyntaxError || errorCode(error) === "FST_ERR_CTP_INVALID_JSON_BODY"
      ? "body is no JSON"
      : "malformed";
  return new InputError([{ path: "", message: reason }]);
}

export function mediaTypeError(): AppError {
  return new AppError("ERR_MEDIA_TYPE", "The request has to be JSON.", {
    remedy: "Send it with `Content-Type: application/json`.",
  });
}

export function notFound(what: string): AppError {
  return new AppError("ERR_NOT_FOUND", `There is nothing at ${what}.`, {
    remedy: "See `/api/openapi.json` for what there is.",
  });
}
