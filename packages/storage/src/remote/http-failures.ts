/**
 * From what the network and Node.js report to the product's errors, and what the drivers upon HTTP say alike.
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import { ASK_OPERATOR, type Meaning } from "../failure-meaning.ts";
import { TransportFailure } from "./transport-failure.ts";

const CHECK_NETWORK = "Check the endpoint, the network and that the storage runs; then try again.";
const CHECK_TRUST =
  "Check the endpoint; then give the file of its certificate authority, or the fingerprint of its certificate.";

/** What services have in common. */
export const COMMON_MEANINGS = {
  throttled: {
    code: "ERR_STORAGE_THROTTLED",
    reason: "the storage asks for fewer requests",
    remedy: "Try again later, or with fewer transfers at once.",
  },
  timeout: {
    code: "ERR_STORAGE_TIMEOUT",
    reason: "the storage waited for too long",
    remedy: CHECK_NETWORK,
  },
  skewed: {
    code: "ERR_STORAGE_FAILED",
    reason: "the clocks of this machine and the storage differ too much",
    remedy: "Set the clock of this machine.",
  },
  altered: {
    code: "ERR_STORAGE_FAILED",
    reason: "what arrived is not what was sent",
    remedy: ASK_OPERATOR,
  },
  unreachable: {
    code: "ERR_STORAGE_UNREACHABLE",
    reason: "the storage cannot be reached",
    remedy: CHECK_NETWORK,
  },
  failed: {
    code: "ERR_STORAGE_FAILED",
    reason: "the storage reports an error",
    remedy: ASK_OPERATOR,
  },
} as const satisfies Readonly<Record<string, Meaning>>;

/**
 * @param action what was tried, as the subject of a sentence: "Storing packs/ab".
 * @param detail shown in brackets, so without a secret.
 */
export function storageFailure(
  action: string,
  location: string,
  { code, reason, remedy }: Meaning,
  { detail, cause }: { readonly detail?: string | undefined; readonly cause?: unknown } = {},
): AppError {
  const message = `${action} in ${location} failed: ${reason}${detail === undefined ? "" : ` (${detail})`}.`;
  return new AppError(code, message, { subject: location, remedy, cause });
}

/** Undefined when the error is not about the network. */
export function networkFailure(error: unknown, action: string, location: string): AppError | undefined {
  if (error instanceof TransportFailure) {
    const remedy = error.kind === "ERR_STORAGE_UNTRUSTED" ? CHECK_TRUST : CHECK_NETWORK;
    const meaning = { code: error.kind, reason: error.message, remedy };
    return storageFailure(action, location, meaning, { cause: error.cause });
  }
  const detail = systemCode(error);
  if (detail === undefined) return undefined;
  return storageFailure(action, location, COMMON_MEANINGS.unreachable, { detail, cause: error });
}

/** The code of an error of the operating system, of TLS or of HTTP; these have an address in them and no secret. */
function systemCode(error: unknown): string | undefined {
  const code = errorCode(error);
  const known = /^(?:E(?!RR_)[A-Z0-9_]+|ERR_(?:SSL|TLS|OSSL|STREAM|SOCKET)_[A-Z0-9_]+|HPE_[A-Z_]+)$/;
  return code !== undefined && known.test(code) ? code : undefined;
}
