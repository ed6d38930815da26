/**
 * What a storage said when it refused, reduced to what is safe to keep: an S3 error may repeat the headers that were
 * signed, and a session token is one of them.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";

/** The cause of an AppError that came from an answer of the storage. */
export class ServiceAnswer extends Error {
  override readonly name = "ServiceAnswer";
  /** HTTP status. */
  readonly status: number;
  /** S3's error code, such as `NoSuchKey`; empty when the answer had none, as those to HEAD. */
  readonly code: string;
  /** Where the bucket is, when that is what is wrong. */
  readonly region: string | undefined;

  constructor(status: number, code: string, region: string | undefined) {
    super(code === "" ? `HTTP status ${String(status)}` : `${code}, HTTP status ${String(status)}`);
    this.status = status;
    this.code = code;
    this.region = region;
  }
}

/** Of an error of the SDK; undefined when it is not about an answer that refuses. */
export function readAnswer(error: unknown): ServiceAnswer | undefined {
  const status = property(property(error, "$metadata"), "httpStatusCode");
  if (typeof status !== "number" || status < 300) return undefined;
  const name = property(error, "name");
  const legal = typeof name === "string" && /^[A-Za-z][A-Za-z0-9.]{0,63}$/.test(name);
  const code = legal && name !== "Unknown" && name !== "Error" ? name : "";
  const headers = property(property(error, "$response"), "headers");
  const region = property(headers, "x-amz-bucket-region") ?? property(error, "Region");
  const known = typeof region === "string" && /^[a-z0-9-]{1,64}$/.test(region);
  return new ServiceAnswer(status, code, known ? region : undefined);
}

/** The answer behind an error that {@link S3Session.run} threw. */
export function answerBehind(error: unknown): ServiceAnswer | undefined {
  return isAppError(error) && error.cause instanceof ServiceAnswer ? error.cause : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
