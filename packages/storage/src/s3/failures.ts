/**
 * From what the storage, the network and Amazon's SDK report to the product's errors.
 *
 * Codes: Amazon S3 API Reference, "Error responses"; some that only Ceph and MinIO give.
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";
import { COMMON_MEANINGS, networkFailure, storageFailure } from "../remote/http-failures.ts";
import { readAnswer, type ServiceAnswer } from "./service-answer.ts";

const { throttled, timeout, skewed, altered, unreachable, failed } = COMMON_MEANINGS;
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
  if (answer !== undefined) {
    return storageFailure(action, location, meaningOf(answer), { detail: answer.message, cause: answer });
  }
  return networkFailure(error, action, location) ?? storageFailure(action, location, internalMeaning(error));
}

function meaningOf(answer: ServiceAnswer): Meaning {
  const meaning = MEANINGS.get(answer.code) ?? STATUS_MEANINGS.get(answer.status) ?? failed;
  if (meaning !== elsewhere || answer.region === undefined) return meaning;
  return { ...meaning, remedy: `Give the bucket's region: add region=${answer.region} to the URL.` };
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
