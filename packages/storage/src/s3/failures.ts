/**
 * From what the storage, the network and Amazon's SDK report to the product's errors.
 *
 * Codes: Amazon S3 API Reference, "Error responses"; some that only Ceph and MinIO give.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";
import { readAnswer, type ServiceAnswer } from "./service-answer.ts";
import { TransportFailure } from "./transport-failure.ts";

const REMEDIES = {
  network: "Check the endpoint, the network and that the storage runs; then try again.",
  trust:
    "Check the endpoint; then give the file of its certificate authority, or the fingerprint of its certificate.",
  report: "Try again; when it stays, ask whoever runs the storage.",
};

const credentials: Meaning = {
  code: "ERR_STORAGE_CREDENTIALS",
  reason: "the storage refuses the credentials",
  remedy:
    "Check the access key and its secret, that they belong to this storage, and that they have not expired.",
};
const denied: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the storage does not allow it",
  remedy:
    "Give these credentials the right to list the bucket and to read, write and delete objects below the folder.",
};
const archived: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the object is archived",
  remedy: "Have it restored from the archive first; keep backups in a storage class that is read at once.",
};
const missing: Meaning = {
  code: "ERR_STORAGE_MISSING",
  reason: "there is no such bucket",
  remedy: "Check the bucket's name and the endpoint, or make the bucket.",
};
const throttled: Meaning = {
  code: "ERR_STORAGE_THROTTLED",
  reason: "the storage asks for fewer requests",
  remedy: "Try again later, or with fewer transfers at once.",
};
const timeout: Meaning = {
  code: "ERR_STORAGE_TIMEOUT",
  reason: "the storage waited for too long",
  remedy: REMEDIES.network,
};
const full: Meaning = {
  code: "ERR_STORAGE_FULL",
  reason: "there is no space left, or a quota is used up",
  remedy: MAKE_ROOM,
};
const unsupported: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the storage does not know what is needed of it",
  remedy: "Use a storage that knows S3's conditional writes (If-None-Match), or a newer version of this one.",
};
const elsewhere: Meaning = {
  code: "ERR_USAGE",
  reason: "the bucket is in another region",
  remedy: "Give the bucket's region: add region=REGION to the URL.",
};
const skewed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the clocks of this machine and the storage differ too much",
  remedy: "Set the clock of this machine.",
};
const altered: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "what arrived is not what was sent",
  remedy: REMEDIES.report,
};
const unreachable: Meaning = {
  code: "ERR_STORAGE_UNREACHABLE",
  reason: "the storage cannot be reached",
  remedy: REMEDIES.network,
};
const failed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the storage reports an error",
  remedy: REMEDIES.report,
};

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ["InvalidAccessKeyId", credentials],
  ["SignatureDoesNotMatch", credentials],
  ["ExpiredToken", credentials],
  ["ExpiredTokenException", credentials],
  ["InvalidToken", credentials],
  ["TokenRefreshRequired", credentials],
  ["InvalidClientTokenId", credentials],
  ["UnrecognizedClientException", credentials],
  ["InvalidSecurity", credentials],
  ["AccessDenied", denied],
  ["AccessDeniedException", denied],
  ["AllAccessDisabled", denied],
  ["AccountProblem", denied],
  ["NotSignedUp", denied],
  ["UserSuspended", denied],
  ["MethodNotAllowed", denied],
  ["InvalidObjectState", archived],
  ["NoSuchBucket", missing],
  ["SlowDown", throttled],
  ["ServiceUnavailable", throttled],
  ["Throttling", throttled],
  ["ThrottlingException", throttled],
  ["TooManyRequests", throttled],
  ["RequestLimitExceeded", throttled],
  ["BandwidthLimitExceeded", throttled],
  ["RequestTimeout", timeout],
  ["QuotaExceeded", full],
  ["ServiceQuotaExceededException", full],
  ["InsufficientStorage", full],
  ["XMinioStorageFull", full],
  ["XMinioAdminBucketQuotaExceeded", full],
  ["NotImplemented", unsupported],
  ["PermanentRedirect", elsewhere],
  ["TemporaryRedirect", elsewhere],
  ["Redirect", elsewhere],
  ["AuthorizationHeaderMalformed", elsewhere],
  ["IllegalLocationConstraintException", elsewhere],
  ["RequestTimeTooSkewed", skewed],
  ["RequestExpired", skewed],
  ["BadDigest", altered],
  ["InvalidDigest", altered],
  ["XAmzContentSHA256Mismatch", altered],
  ["InternalError", failed],
]);

/** For answers whose code is missing or unknown. */
const STATUS_MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [301, elsewhere],
  [307, elsewhere],
  [401, credentials],
  [403, denied],
  [405, denied],
  [408, timeout],
  [429, throttled],
  [501, unsupported],
  [502, unreachable],
  [503, throttled],
  [504, timeout],
  [507, full],
]);

/** @param action what was tried, as the subject of a sentence: "Storing packs/ab". */
export function s3Failure(error: unknown, action: string, location: string): AppError {
  if (error instanceof AppError) return error;
  const answer = readAnswer(error);
  if (answer !== undefined) return failure(action, location, meaningOf(answer), answer.message, answer);
  if (error instanceof TransportFailure) {
    const remedy = error.kind === "ERR_STORAGE_UNTRUSTED" ? REMEDIES.trust : REMEDIES.network;
    return failure(
      action,
      location,
      { code: error.kind, reason: error.message, remedy },
      undefined,
      error.cause,
    );
  }
  const code = systemCode(error);
  if (code !== undefined) return failure(action, location, unreachable, code, error);
  return failure(action, location, internalMeaning(error), undefined, undefined);
}

function failure(
  action: string,
  location: string,
  { code, reason, remedy }: Meaning,
  detail: string | undefined,
  cause: unknown,
): AppError {
  const message = `${action} in ${location} failed: ${reason}${detail === undefined ? "" : ` (${detail})`}.`;
  return new AppError(code, message, { subject: location, remedy, cause });
}

function meaningOf(answer: ServiceAnswer): Meaning {
  const meaning = MEANINGS.get(answer.code) ?? STATUS_MEANINGS.get(answer.status) ?? failed;
  if (meaning !== elsewhere || answer.region === undefined) return meaning;
  return { ...meaning, remedy: `Give the bucket's region: add region=${answer.region} to the URL.` };
}

/** The code of an error of the operating system, of TLS or of HTTP; these have an address in them and no secret. */
function systemCode(error: unknown): string | undefined {
  const code = errorCode(error);
  const known = /^(?:E(?!RR_)[A-Z0-9_]+|ERR_(?:SSL|TLS|OSSL|STREAM|SOCKET)_[A-Z0-9_]+|HPE_[A-Z_]+)$/;
  return code !== undefined && known.test(code) ? code : undefined;
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The texts of the SDK's own errors are not shown: they may quote what programs or files for credentials said. */
function internalMeaning(error: unknown): Meaning {
  const name = error instanceof Error ? error.name : "";
  if (name === "CredentialsProviderError" || name === "TokenProviderError") {
    const remedy =
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them into ~/.aws/credentials; then try again.";
    return { code: "ERR_STORAGE_CREDENTIALS", reason: "there are no credentials for it", remedy };
  }
  // Of a header: nothing else in one comes from outside.
  if (errorCode(error) === "ERR_INVALID_CHAR") {
    return { ...credentials, reason: "the credentials have illegal characters in them" };
  }
  return { ...failed, reason: "the answer of the storage cannot be understood" };
}
