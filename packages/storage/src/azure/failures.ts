/**
 * From what the storage, the network and Azure's SDK report to the product's errors.
 *
 * Codes: Azure Storage REST, "Status and error codes", "Blob Storage error codes".
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import { ASK_OPERATOR, MAKE_ROOM, type Meaning } from "../failure-meaning.ts";
import { COMMON_MEANINGS, networkFailure, storageFailure } from "../remote/http-failures.ts";
import { type AzureAnswer, readAnswer } from "./service-answer.ts";

const { throttled, timeout, skewed, altered, unreachable, failed } = COMMON_MEANINGS;
const credentials: Meaning = {
  code: "ERR_STORAGE_CREDENTIALS",
  reason: "the storage refuses the credentials",
  remedy: "Check the account and its key, or the SAS, and that they belong to this endpoint.",
};
const expired: Meaning = {
  code: "ERR_STORAGE_CREDENTIALS",
  reason: "the SAS has expired, or its time has not begun",
  remedy: "Make a new SAS, or set the clock of the machine that made it.",
};
const denied: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the storage does not allow it",
  remedy:
    "Give the SAS the rights rdlc (read, delete, list, create), and check the account's rules for networks.",
};
const keysForbidden: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the account does not let keys in",
  remedy:
    "Give a SAS that a user delegated (az storage container generate-sas --as-user), or allow shared keys.",
};
const locked: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "an immutability policy, a legal hold, a lease or a snapshot protects it",
  remedy: "Wait until its time is over, or have the protection lifted by whoever set it.",
};
const archived: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the object is archived",
  remedy:
    "Have it brought back to the hot, cool or cold tier first; keep backups in a tier that is read at once.",
};
const missing: Meaning = {
  code: "ERR_STORAGE_MISSING",
  reason: "there is no such container",
  remedy: "Check the names of the container and the account, and the endpoint; or make the container.",
};
const full: Meaning = {
  code: "ERR_STORAGE_FULL",
  reason: "there is no space left, or a quota is used up",
  remedy: MAKE_ROOM,
};
const unsupported: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the storage does not know what is needed of it",
  remedy: "Use a general-purpose v2 or block blob account without a hierarchical namespace.",
};
const misplaced: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the storage does not understand the request",
  remedy: `Check the endpoint and the SAS. ${ASK_OPERATOR}`,
};

const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ["AuthenticationFailed", credentials],
  ["InvalidAuthenticationInfo", credentials],
  ["NoAuthenticationInformation", credentials],
  ["AuthorizationFailure", denied],
  ["AuthorizationPermissionMismatch", denied],
  ["AuthorizationProtocolMismatch", denied],
  ["AuthorizationResourceTypeMismatch", denied],
  ["AuthorizationServiceMismatch", denied],
  ["AuthorizationSourceIPMismatch", denied],
  ["InsufficientAccountPermissions", denied],
  ["UnauthorizedBlobOverwrite", denied],
  ["AccountIsDisabled", denied],
  ["PublicAccessNotPermitted", denied],
  ["ContainerDisabled", denied],
  ["KeyBasedAuthenticationNotPermitted", keysForbidden],
  ["BlobImmutableDueToPolicy", locked],
  ["BlobImmutableDueToLegalHold", locked],
  ["LeaseIdMissing", locked],
  ["SnapshotsPresent", locked],
  ["BlobArchived", archived],
  ["BlobBeingRehydrated", archived],
  ["ContainerNotFound", missing],
  ["ContainerBeingDeleted", missing],
  ["ResourceNotFound", missing],
  ["AccountBeingCreated", unreachable],
  ["ServerBusy", throttled],
  ["TooManyRequests", throttled],
  ["OperationTimedOut", timeout],
  ["InternalError", failed],
  ["Md5Mismatch", altered],
  ["Crc64Mismatch", altered],
  ["InvalidMd5", altered],
  ["UnsupportedHeader", unsupported],
  ["FeatureNotSupported", unsupported],
  ["InvalidUri", misplaced],
  ["InvalidQueryParameterValue", misplaced],
]);

/** For answers whose code is missing or unknown. */
const STATUS_MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [401, credentials],
  [403, denied],
  [404, missing],
  [408, timeout],
  [429, throttled],
  [501, unsupported],
  [502, unreachable],
  [503, throttled],
  [504, timeout],
  [507, full],
]);

/**
 * @param action what was tried, as the subject of a sentence: "Storing packs/ab".
 * @param nowMs milliseconds since the epoch.
 */
export function azureFailure(error: unknown, action: string, location: string, nowMs: number): AppError {
  if (error instanceof AppError) return error;
  const answer = readAnswer(error, nowMs);
  if (answer !== undefined) {
    return storageFailure(action, location, meaningOf(answer), { detail: answer.message, cause: answer });
  }
  return networkFailure(error, action, location) ?? storageFailure(action, location, internalMeaning(error));
}

function meaningOf({ status, code, untimely }: AzureAnswer): Meaning {
  const meaning = MEANINGS.get(code) ?? STATUS_MEANINGS.get(status) ?? failed;
  if (meaning !== credentials || untimely === undefined) return meaning;
  return untimely === "skewed" ? skewed : expired;
}

/** The texts of the SDK's own errors are not shown: they may quote the URL. */
function internalMeaning(error: unknown): Meaning {
  // Of a header: nothing else in one comes from outside.
  if (errorCode(error) === "ERR_INVALID_CHAR") {
    return { ...credentials, reason: "the credentials have illegal characters in them" };
  }
  return { ...failed, reason: "the answer of the storage cannot be understood" };
}
