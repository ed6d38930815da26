/**
 * What the storage said when it refused, reduced to what is safe to keep: an error of the SDK has the request in it, with
 * its signature, and the storage repeats what was signed.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";

/** Azure refuses requests whose time differs by more. */
const SKEW_MAX_MS = 14 * 60_000;

/** The cause of an AppError that came from an answer of the storage. */
export class AzureAnswer extends Error {
  override readonly name = "AzureAnswer";
  /** HTTP status. */
  readonly status: number;
  /** Azure's error code, such as `BlobNotFound`; empty when the answer had none. */
  readonly code: string;
  /** Why the credentials were refused, when it is about time. */
  readonly untimely: "skewed" | "expired" | undefined;

  constructor(status: number, code: string, untimely: AzureAnswer["untimely"]) {
    super(code === "" ? `HTTP status ${String(status)}` : `${code}, HTTP status ${String(status)}`);
    this.status = status;
    this.code = code;
    this.untimely = untimely;
  }
}

/**
 * Of an error of the SDK; undefined when it is not about an answer that refuses.
 *
 * @param nowMs milliseconds since the epoch.
 */
export function readAnswer(error: unknown, nowMs: number): AzureAnswer | undefined {
  const status = property(error, "statusCode");
  if (typeof status !== "number" || status < 300) return undefined;
  const response = property(error, "response");
  const code = [header(response, "x-ms-error-code"), property(error, "code")].find(isCode) ?? "";
  const text = String(property(response, "bodyAsText"));
  // Azurite calls both alike.
  const unknown = code === "AuthorizationFailure" && /failed to authenticate|signature not valid/i.test(text);
  return new AzureAnswer(
    status,
    unknown ? "AuthenticationFailed" : code,
    untimeliness(response, text, nowMs),
  );
}

/** The answer behind an error that a session threw. */
export function answerBehind(error: unknown): AzureAnswer | undefined {
  return isAppError(error) && error.cause instanceof AzureAnswer ? error.cause : undefined;
}

/** Azure tells in the text only what is wrong with the time, and not always. */
function untimeliness(response: unknown, text: string, nowMs: number): AzureAnswer["untimely"] {
  if (/request date header too old/i.test(text)) return "skewed";
  if (/signature not valid in the specified time frame/i.test(text)) return "expired";
  const date = Date.parse(String(header(response, "date")));
  return Number.isFinite(date) && Math.abs(date - nowMs) > SKEW_MAX_MS ? "skewed" : undefined;
}

function isCode(text: unknown): text is string {
  return typeof text === "string" && /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(text);
}

function header(response: unknown, name: string): unknown {
  const headers = property(response, "headers");
  const get = property(headers, "get");
  return typeof get === "function" ? Reflect.apply(get, headers, [name]) : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
