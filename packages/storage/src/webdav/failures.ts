/**
 * From HTTP statuses and network errors to the product's errors.
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";

const throttled: Meaning = {
  code: "ERR_STORAGE_THROTTLED",
  reason: "the server is overloaded",
  remedy: "Wait a while, or let fewer backups run at once.",
};
const gateway: Meaning = {
  code: "ERR_STORAGE_UNREACHABLE",
  reason: "a proxy before the server does not reach it",
  remedy: "Check that the WebDAV server runs.",
};
const redirected: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the server sends elsewhere, and redirects are not followed",
  remedy: "Name the storage by the URL that the server points to.",
};
const unsupported: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the server does not offer it",
  remedy: "Check that the URL is of a WebDAV folder, and that the server lets it be written.",
};
const failed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the server does not do it",
  remedy: "Check that the URL is of a WebDAV folder, and read the server's log.",
};

/** RFC 9110 section 15, RFC 4918 section 11, RFC 6585. */
const STATUSES: Readonly<Record<number, Meaning>> = {
  301: redirected,
  302: redirected,
  303: redirected,
  307: redirected,
  308: redirected,
  403: {
    code: "ERR_STORAGE_DENIED",
    reason: "the server refuses it",
    remedy: "Give this user the right to read and write the folder.",
  },
  405: unsupported,
  408: {
    code: "ERR_STORAGE_TIMEOUT",
    reason: "the server waited too long",
    remedy: "Check the network between here and the server.",
  },
  413: {
    code: "ERR_STORAGE_DENIED",
    reason: "the server takes no files of this size",
    remedy: "Raise its limit, such as LimitRequestBody of Apache or client_max_body_size of nginx.",
  },
  // Some servers lock what they work on by themselves, for a moment.
  423: {
    code: "ERR_STORAGE_FAILED",
    reason: "it is locked",
    remedy: "Remove the lock on the server; nothing else may work in this folder.",
  },
  429: throttled,
  501: unsupported,
  502: gateway,
  503: throttled,
  504: gateway,
  507: {
    code: "ERR_STORAGE_FULL",
    reason: "there is no space left",
    remedy: MAKE_ROOM,
  },
};

/** @param action what was tried, as the subject of a sentence: "Storing packs/ab". */
export function statusFailure(status: number, action: string, location: string): AppError {
  const { code, reason, remedy } = STATUSES[status] ?? failed;
  return new AppError(code, `${action} in ${location} failed: ${reason} (HTTP ${String(status)}).`, {
    subject: location,
    remedy,
  });
}

/** The server answered what it must not. */
export function badAnswer(what: string, location: string, cause?: unknown): AppError {
  return new AppError("ERR_STORAGE_FAILED", `The server of ${location} ${what}.`, {
    subject: location,
    remedy: failed.remedy,
    cause,
  });
}

/** Of {@link networkFailure}: what Node.js calls an answer that is no HTTP. */
const NOT_HTTP = "HPE_";

export function networkFailure(error: unknown, location: string): AppError {
  if (error instanceof AppError) return error;
  const code = errorCode(error);
  if (code?.startsWith(NOT_HTTP) === true)
    return badAnswer(`does not speak HTTP properly (${code})`, location, error);
  const detail = code === undefined ? "" : ` (${code})`;
  return new AppError("ERR_STORAGE_UNREACHABLE", `The connection to ${location} failed${detail}.`, {
    subject: location,
    remedy: "Check the URL, the network and that the server runs.",
    cause: error,
  });
}

export function timeoutFailure(what: string, location: string): AppError {
  return new AppError("ERR_STORAGE_TIMEOUT", `${what} ${location} for too long.`, {
    subject: location,
    remedy: "Check the network between here and the server.",
  });
}

export function untrusted(location: string, reason: string, remedy: string, cause?: unknown): AppError {
  return new AppError("ERR_STORAGE_UNTRUSTED", `The server of ${location} is not trusted: ${reason}.`, {
    subject: location,
    remedy,
    cause,
  });
}
